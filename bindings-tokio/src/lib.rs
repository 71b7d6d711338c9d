//! Typed, topic-based JSON APIs over WebSocket, on tokio and axum.
