//! What both bindings need from std, without sockets or a runtime.
