"""The stable weekly dose of warfarin: trained and measured on the data of the IWPC."""
