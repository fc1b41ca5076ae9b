import Model

/// Addresses inside tunnels. Both ends derive them from what both configurations name (the network identifier and the
/// underlay addresses), so nothing is exchanged and nothing has to be resolved at the moment of a failover.
public enum TunnelAddress {
    /// The protected host's own address in its tunnel: the first of a pair in 169.254.96.0/20.
    public static func protected(_ tunnel: Configuration.Tunnel) -> IPAddress { pair(tunnel, 0) }

    /// The address of those that stand in for it: the second of the pair. Every remote has it; which one is meant is
    /// told by the packet's mark.
    public static func remote(_ tunnel: Configuration.Tunnel) -> IPAddress { pair(tunnel, 1) }

    /// The gateway that stands for one remote in the protected host's routes. It never leaves the host.
    static func gateway(slot: Int) -> IPAddress { IPAddress(v4: 0xa9fe_7100 | UInt32(slot)) }

    /// The same as an IPv6 link-local address: `fe80::a9fe:62c6` for 169.254.98.198.
    static func linkLocal(_ address: IPAddress) -> IPAddress {
        IPAddress(high: 0xfe80_0000_0000_0000, low: UInt64(address.v4Bits ?? 0))
    }

    /// The link address of a tunnel's end, from the address it has in the underlay: locally administered, `02:74` and the
    /// four bytes of an IPv4 address or of a hash of an IPv6 one.
    static func link(_ underlay: IPAddress) -> String {
        let bits = underlay.v4Bits ?? hash(underlay)
        let bytes = [0x02, 0x74] + [24, 16, 8, 0].map { UInt32(bits) >> $0 & 0xff }
        return bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
    }

    /// FNV-1a.
    static func hash(_ address: IPAddress) -> UInt32 {
        let bytes = [address.high, address.low].flatMap { word in
            stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: word >> UInt64($0)) }
        }
        return bytes.reduce(0x811c_9dc5) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
    }

    private static func pair(_ tunnel: Configuration.Tunnel, _ side: UInt32) -> IPAddress {
        IPAddress(v4: 0xa9fe_6000 + 2 * (tunnel.vni % 2048) + side)
    }
}
