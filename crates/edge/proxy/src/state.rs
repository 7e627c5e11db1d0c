//! What outlives the process: the state folder.

/// Name of the control socket in the state folder.
pub(crate) const CONTROL_SOCKET: &str = "control.sock";
