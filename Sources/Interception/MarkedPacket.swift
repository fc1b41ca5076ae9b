import Model

/// One kind of packet of a proxied connection, as a firewall of the host meets it. Only the bits of the own mark field
/// are known of its marks.
struct MarkedPacket: Sendable, Equatable {
    var field: Configuration.MarkField
    /// Mark numbers; nil: none.
    var packetMark: MarkNumber?
    var connectionMark: MarkNumber?
    /// As `ct state` names it.
    var state: String
    var family: IPAddress.Family

    /// Whether `condition` holds for it; nil: it may.
    func meets(_ condition: NftRule.Condition) -> Bool? {
        switch condition {
        case .packetMark(let mask, let values, let isNegated):
            return Self.negate(matches(packetMark, mask, values), isNegated)
        case .connectionMark(let mask, let values, let isNegated):
            return Self.negate(matches(connectionMark, mask, values), isNegated)
        case .words(let fact, let words, let isNegated): return words.contains(word(fact)) != isNegated
        case .unknown: return nil
        }
    }

    private static func negate(_ value: Bool?, _ isNegated: Bool) -> Bool? { value.map { $0 != isNegated } }

    private func word(_ fact: NftRule.Fact) -> String {
        switch fact {
        case .state: state
        case .nfproto: family == .v4 ? "ipv4" : "ipv6"
        case .l4proto: "tcp"
        }
    }

    private func matches(_ number: MarkNumber?, _ mask: UInt32, _ values: [UInt32]) -> Bool? {
        let mark = number?.value(in: field) ?? 0
        let possible = values.filter { ($0 ^ mark) & mask & field.mask == 0 }
        guard !possible.isEmpty else { return false }
        // Bits of others decide.
        return mask & field.others == 0 ? true : nil
    }
}

extension MarkedPacket {
    /// The kinds that pass a hook of the host's firewall, and what accepts them all, in nft's words. Nothing of ours
    /// passes `forward`: what the rules take is delivered locally, and what passes while no proxy listens has no mark and is
    /// forwarded by the host's own rules. (What goes through a tunnel to a remote proxy will have its line here.)
    static func passing(
        _ hook: String, field: Configuration.MarkField, _ families: [IPAddress.Family]
    ) -> (packets: [MarkedPacket], accept: String)? {
        func packets(_ kinds: [(MarkNumber?, MarkNumber?, String)]) -> [MarkedPacket] {
            families.flatMap { family in
                kinds.map { MarkedPacket(field: field, packetMark: $0, connectionMark: $1, state: $2, family: family) }
            }
        }
        let mask = field.mask.hexadecimal
        switch hook {
        case "prerouting", "input":
            let marks = [MarkNumber.toProxy, .loop].map { $0.value(in: field).hexadecimal }
            return (
                packets([
                    (.toProxy, .toProxy, "new"), (.toProxy, .upstream, "established"), (.loop, .upstream, "new"),
                ]), "meta mark and \(mask) == { \(marks.joined(separator: ", ")) } accept"
            )
        case "output", "postrouting":
            return (
                packets([
                    (.upstream, .upstream, "new"), (.loop, .upstream, "new"), (nil, .toProxy, "established"),
                    (nil, .loop, "established"),
                ]), "ct mark and \(mask) != 0x0 accept"
            )
        default: return nil
        }
    }
}
