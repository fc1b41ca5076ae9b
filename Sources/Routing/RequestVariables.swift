import HTTP
import Model

/// What header templates may ask of a request, by slot; -1 or nil: it has none, which is written as `-`.
public struct RequestVariables: Sendable, BitwiseCopyable {
    /// Slot of the pod that sent the request, and of the one that receives it (known once an endpoint is picked).
    public var pod: Int32 = -1, destinationPod: Int32 = -1
    /// The peer that connected to us.
    public var client = SocketAddress(.anyV4, 0)
    /// The address that the client dialled.
    public var originalDestination = SocketAddress(.anyV4, 0)
    /// An id of our own making; nil: the request's `x-request-id` is what counts.
    public var requestId: (UInt64, UInt64)?
    /// Slots.
    public var listener: Int32 = -1, route: Int32 = -1, cluster: Int32 = -1

    /// The request's own `x-request-id`; see `takeRequestId`.
    var requestIdText = RequestIdText()

    /// Nothing is known.
    public init() {}

    /// Remembers the `x-request-id` of a request for changes of its response. (Changes of a request see its own.)
    public mutating func takeRequestId(from head: borrowing MessageHead) { requestIdText = RequestIdText(head) }
}
