import Model

/// What two requests must have in common to use one upstream connection, one after the other.
public struct PoolKey: Hashable, BitwiseCopyable, Sendable {
    /// The endpoint's slot; -1 when the connection goes to an original destination.
    public var endpointSlot: Int32
    /// Where the connection goes.
    public var address: SocketAddress
    /// The address it was bound to; nil: the host's own.
    public var source: IPAddress?
    /// The slot of the client's pod, if it is ours; -1 otherwise. An address that moves to another pod is another pod.
    public var pod: Int32
    /// Which protocol is spoken on it: `http1` or `http2`.
    public var protocolNumber: UInt8
    /// The host that this process stands in for; 0: its own.
    public var protectedHost: UInt16
    /// The client connection that alone may use it; 0: any with the same key.
    public var client: UInt64

    /// A protocol's number.
    public static let http1: UInt8 = 1, http2: UInt8 = 2

    /// A key.
    public init(
        endpointSlot: Int32, address: SocketAddress, source: IPAddress? = nil, pod: Int32 = -1,
        protocolNumber: UInt8 = 0, protectedHost: UInt16 = 0,
        client: UInt64 = 0
    ) {
        self.client = client
        self.endpointSlot = endpointSlot
        self.address = address
        self.source = source
        self.pod = pod
        self.protocolNumber = protocolNumber
        self.protectedHost = protectedHost
    }

    /// A hash under a key of the process: clients choose addresses, and must not be able to choose collisions.
    func hash(under key: UInt64) -> UInt32 {
        let numbers = UInt64(UInt32(bitPattern: endpointSlot)) << 32 | UInt64(UInt32(bitPattern: pod))
        let rest = UInt64(address.port) << 32 | UInt64(protectedHost) << 8 | UInt64(protocolNumber)
        var hash = Self.fold(address.address.low ^ key, address.address.high ^ 0x9e37_79b9_7f4a_7c15)
        hash = Self.fold(hash ^ (source.map { $0.low ^ $0.high &* 3 } ?? 1), numbers ^ 0xd6e8_feb8_6659_fd93)
        hash = Self.fold(hash ^ client, rest ^ 0xa076_1d64_78bd_642f)
        return UInt32(truncatingIfNeeded: hash ^ hash &>> 32)
    }

    /// Both halves of the product: each bit of it depends on all bits of both.
    @inline(__always) private static func fold(_ first: UInt64, _ second: UInt64) -> UInt64 {
        let product = first.multipliedFullWidth(by: second)
        return product.high ^ product.low
    }
}
