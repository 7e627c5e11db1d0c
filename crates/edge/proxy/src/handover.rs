//! Sockets on their way from a balancer to its successor: sent over a local socket, by the kernel.
//!
//! What is said beside goes over the control socket. A connection of its own carries the sockets,
//! because whoever reads bytes without asking for what comes with them loses it.

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// Sockets in one message; the kernel allows 253.
const BATCH: usize = 64;

/// Sends sockets. They stay open here too.
pub(crate) fn send(stream: &UnixStream, sockets: &[OwnedFd]) -> io::Result<()> {
    for batch in sockets.chunks(BATCH) {
        let borrowed: Vec<BorrowedFd<'_>> = batch.iter().map(|socket| socket.as_fd()).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !ancillary.push(SendAncillaryMessage::ScmRights(&borrowed)) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        let count = [u8::try_from(batch.len()).unwrap_or(u8::MAX)];
        sendmsg(
            stream,
            &[IoSlice::new(&count)],
            &mut ancillary,
            SendFlags::NOSIGNAL,
        )?;
    }
    Ok(())
}

/// Receives as many sockets, in the order in which they were sent.
pub(crate) fn receive(stream: &UnixStream, count: usize) -> io::Result<Vec<OwnedFd>> {
    let mut sockets = Vec::new();
    while sockets.len() < count {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(BATCH))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        let received = recvmsg(
            stream,
            &mut [IoSliceMut::new(&mut byte)],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        if received.bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(sent) = message {
                sockets.extend(sent);
            }
        }
    }
    Ok(sockets)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn more_than_one_message_of_sockets_arrive_in_order() {
        let (here, there) = UnixStream::pair().unwrap();
        let listeners: Vec<_> = (0..BATCH + 3)
            .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
            .collect();
        let addresses: Vec<_> = listeners.iter().map(|l| l.local_addr().unwrap()).collect();
        let sockets: Vec<OwnedFd> = listeners.into_iter().map(OwnedFd::from).collect();
        send(&here, &sockets).unwrap();
        drop(sockets);
        let received = receive(&there, addresses.len()).unwrap();
        let received: Vec<_> = received.into_iter().map(TcpListener::from).collect();
        let arrived: Vec<_> = received.iter().map(|l| l.local_addr().unwrap()).collect();
        assert_eq!(arrived, addresses);
        let _client = TcpStream::connect(addresses[BATCH]).unwrap();
        received[BATCH].accept().unwrap();
    }

    #[test]
    fn an_end_in_the_middle_is_an_error() {
        let (here, there) = UnixStream::pair().unwrap();
        drop(here);
        let ended = receive(&there, 1).unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::UnexpectedEof);
    }
}
