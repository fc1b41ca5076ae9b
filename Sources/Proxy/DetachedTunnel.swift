import Model
import Syscalls

/// A live connection between two owners: off its worker's poller, timers, ports and counts, not on another's yet.
///
/// What is process-wide (its places under the limits of pods, cluster and process) it keeps while it is under way. The
/// kernel buffers what its peers send meanwhile.
struct DetachedTunnel: ~Copyable, Sendable {
    var tunnel: Tunnel
    /// `record.source` names a port that was leased from the worker's ledger, and is to be leased from the next one's.
    let holdsPort: Bool
    /// The endpoint it is counted for; -1: none.
    let endpointSlot: Int
    /// The last generation whose gone pods were not its own.
    let generation: UInt64

    init(_ tunnel: consuming Tunnel, holdsPort: Bool, endpointSlot: Int, generation: UInt64) {
        self.tunnel = tunnel
        self.holdsPort = holdsPort
        self.endpointSlot = endpointSlot
        self.generation = generation
    }
}

/// Carries a live connection in a message: taken once. Dropped with the connection inside, it closes the process's
/// descriptors: that ends the connection, unless another process has been given copies.
public final class TunnelParcel: Sendable {
    private let parcel: Parcel<DetachedTunnel>

    init(_ tunnel: consuming DetachedTunnel) { parcel = Parcel(tunnel) }

    func take() -> DetachedTunnel? { parcel.take() }

    /// Looks at the connection while it stays inside; nil when it has been taken.
    func inspect<Result>(_ body: (borrowing DetachedTunnel) -> Result) -> Result? { parcel.inspect(body) }
}
