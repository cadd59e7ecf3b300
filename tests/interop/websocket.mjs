// @medplum/core looks at the states of WebSocket while it is loaded, and Node has that class from 22 on.
globalThis.WebSocket ??= class WebSocket {
  static CONNECTING = 0;
  static OPEN = 1;
  static CLOSING = 2;
  static CLOSED = 3;
};
