import Model
import Syscalls

extension Worker {
    /// Whether a connection is a test of the host's rules, or of this proxy through a tunnel. It is looked at where it
    /// was accepted: the test asks that worker.
    func isProbe(_ socket: borrowing Socket, from peer: SocketAddress) -> Bool {
        // The address first: for everybody else this costs no system call.
        let isThroughTunnel = snapshot.hosts.count > 0 && RuleProbe.isTunnelEnd(peer.address)
        guard isThroughTunnel || RuleProbe.isClient(peer.address), let destination = try? socket.localAddress() else {
            return false
        }
        return isThroughTunnel
            ? RuleProbe.isTunnelProbe(from: peer.address, to: destination)
            : RuleProbe.isProbe(from: peer.address, to: destination)
    }

    /// Answers a test of the host's rules: who serves here, and with which configuration. No table is asked and nothing
    /// is counted or logged: it is no connection of a pod. Closing sends FIN after the line.
    func answerProbe(_ socket: consuming Socket) {
        var line = RuleProbe.Answer(
            worker: context.index, generation: snapshot.generation, isLeaving: announcesEnd
        ).line
        line.withUTF8 { bytes in
            // The string's own memory, for the length of the call. A fresh socket takes a line; if the peer has gone
            // already, nobody is there to be told.
            _ = unsafe socket.write(UnsafeRawBufferPointer(bytes))
        }
    }
}
