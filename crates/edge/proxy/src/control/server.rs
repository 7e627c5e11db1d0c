//! The balancer's end of the control socket.
