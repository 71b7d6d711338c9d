//! Laws, worlds and real servers.
