"""The sandbox as an authorisation server, with what public launchers leave out."""
