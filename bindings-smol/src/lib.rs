//! Typed, topic-based JSON APIs over WebSocket, on smol.
