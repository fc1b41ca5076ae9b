import Model

/// Hashes that are the same in every process, on every host and in every release: two hosts must send one client to
/// the same endpoint. Not keyed, so not for tables whose keys a peer chooses. (Swift's `Hasher` is seeded per process.)
enum StableHash {
    /// The finaliser of SplitMix64: every input bit changes about half of the output bits. A bijection.
    @inline(__always)
    static func mix(_ value: UInt64) -> UInt64 {
        var hash = value
        hash = (hash ^ hash >> 30) &* 0xbf58_476d_1ce4_e5b9
        hash = (hash ^ hash >> 27) &* 0x94d0_49bb_1331_11eb
        return hash ^ hash >> 31
    }

    /// A hash of two.
    @inline(__always)
    static func combine(_ first: UInt64, _ second: UInt64) -> UInt64 {
        // The odd constant keeps (0, 0) from being a fixed point.
        mix(first &* 0x9e37_79b9_7f4a_7c15 &+ mix(second &+ 0x9e37_79b9_7f4a_7c15))
    }

    static func of(_ address: IPAddress) -> UInt64 { combine(address.high, address.low) }

    /// FNV-1a, then mixed.
    static func of(_ text: String) -> UInt64 {
        mix(text.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 })
    }

    static func of(_ address: SocketAddress) -> UInt64 { combine(of(address.address), UInt64(address.port)) }
}

/// What ringHash and maglev balance by: a hash of the client's address (ports do not count). The same on every host
/// and in every release; changing it moves every client to another endpoint.
public func clientHash(of address: IPAddress) -> UInt64 { StableHash.of(address) }
