import Model

/// What each number of the configurable three-bit mark field means, in the packet mark and in the connection mark.
/// Every rule sets and tests only the bits of the field: the rest of the mark belongs to others.
///
/// | number | packet mark | connection mark |
/// |---|---|---|
/// | 1 | deliver to the local stack | the proxy accepted it where it entered the host |
/// | 2 | sent by the proxy to an upstream (`SO_MARK`) | the proxy opened it |
/// | 3 | into the tunnel to a remote proxy | a remote proxy has it |
/// | 4 | has to come back in through `lo` | the proxy accepted it after a DNAT of the host |
/// | 5 | - | a remote proxy opened it, out of the tunnel |
/// | 6 | into the tunnel, sent by this host itself | - |
/// | 7 | answer with a reset (iptables without nf_tables only) | - |
///
/// `failover.hostMark.mask` holds a second number beside it: with 1 the id of the protected host that a packet belongs to,
/// with 3, 5 and 6 the slot of the remote it comes from or is for (0: whichever).
enum MarkNumber: UInt32, CaseIterable {
    case toProxy = 1
    case upstream = 2
    case tunnel = 3
    case loop = 4
    case fromTunnel = 5
    case hostReply = 6
    case refuse = 7

    /// Its place in a 32-bit mark.
    func value(in field: Configuration.MarkField) -> UInt32 { field.mark(rawValue) }
}

extension UInt32 {
    /// `0x10`.
    var hexadecimal: String { "0x" + String(self, radix: 16) }
}

extension Configuration.MarkField {
    /// All bits that are not ours.
    var others: UInt32 { ~mask }

    /// The bits of `toProxy` and `loop`: they are zero in a packet that carries no mark of ours or `upstream`.
    var loopOrProxy: UInt32 { mark(MarkNumber.toProxy.rawValue) | mark(MarkNumber.loop.rawValue) }

    /// Whether the field is three adjacent bits with `value` the lowest of them.
    var isWellFormed: Bool { value.nonzeroBitCount == 1 && value < 1 << 30 && mask == value &* 7 }
}
