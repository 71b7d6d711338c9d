//! How many sockets this process may have. Knows the system's limit, no socket.

/// At most `connections`, and no more than the process has descriptors for.
///
/// Raises the process's soft limit of descriptors (`RLIMIT_NOFILE`) to its hard one first, as servers
/// do; programs that the process starts inherit that. A quarter of the descriptors, at most 1,024, is
/// kept for everything else: listeners, pollers, files, and visitors on their way in or out. Windows
/// has no such limit.
///
/// ```
/// use fastws_host::descriptors::cap;
/// assert_eq!(cap(1), 1);
/// assert!(cap(u32::MAX) > 1);
/// ```
pub fn cap(connections: u32) -> u32 {
    #[cfg(unix)]
    if let Ok(descriptors) = rlimit::increase_nofile_limit(rlimit::INFINITY) {
        let most = descriptors - (descriptors / 4).min(1_024);
        if most < u64::from(connections) {
            log::info!("{descriptors} descriptors: at most {most} connections");
            return most as u32;
        }
    }
    connections
}
