import Model
import Syscalls

/// Connections on behalf of protected hosts: how they are known, and how they go on.
///
/// Such a connection came out of its host's tunnel, and all of its upstream side goes back into it, whatever the
/// destination: the host stays the gateway of its pods, and its own translations and firewall hold. Where the packets
/// come out there, an endpoint that is a pod of yet another host (this one included) meets that host's rules as if its
/// neighbour had sent them, so the inbound table of such a pod is asked there, once.
extension Worker {
    /// Finds the host whose tunnel an intercepted connection came out of, by the mark that the rules gave its SYN. False:
    /// nobody's. Costs a system call where hosts are protected, and none elsewhere.
    func identifyHost(_ socket: borrowing Socket, _ record: inout ConnectionRecord) -> Bool {
        guard snapshot.hosts.count > 0 else { return context.settings.hasOwnPods }
        guard let mark = try? socket.mark() else { return false }
        let id = context.settings.hostID(inMark: mark)
        guard id != 0 else { return context.settings.hasOwnPods }
        guard let host = UInt16(exactly: id), snapshot.host(id: host) != nil else { return false }
        record.host = host
        return true
    }

    /// The mark of an upstream socket whose address is a pod's.
    func upstreamMark(_ record: ConnectionRecord) -> UInt32? {
        record.host == 0 ? context.settings.upstreamMark : snapshot.host(id: record.host)?.mark
    }

    /// The mark of an upstream socket with an address of this process's own host. To the protected host's pods it goes
    /// through the tunnel: past it, their host would hand the SYN back to us. To others it goes past the tunnel: what
    /// comes out of it there must come from a pod or go to one, and the answer would not find its way back.
    func ownSourceMark(_ record: ConnectionRecord, to endpoint: SocketAddress) -> UInt32? {
        guard record.host != 0 else { return context.settings.upstreamMark }
        let isInside = snapshot.pod(at: endpoint.address, host: record.host) != nil
        countHost(record.host, isInside ? .ownSourceInside : .ownSourceOutside)
        return isInside ? upstreamMark(record) : context.settings.upstreamMark
    }

    /// Adds to a counter of a protected host; not for this one.
    func countHost(_ host: UInt16, _ counter: HostCounter, _ delta: Int = 1) {
        guard host != 0 else { return }
        context.statistics.hosts.add(delta, slot: Int(host), counter: counter.rawValue)
    }

    func countHostBytes(_ host: UInt16, sent: Int, received: Int) {
        guard host != 0 else { return }
        countHost(host, .bytesSent, sent)
        countHost(host, .bytesReceived, received)
    }
}
