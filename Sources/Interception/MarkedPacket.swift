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

/// What of a plan the host's firewalls have to let pass.
struct Passage: Sendable, Equatable {
    var field: Configuration.MarkField
    var families: [IPAddress.Family]
    /// Whether packets of this host's pods are forwarded through a tunnel.
    var isTunnelling = false
}

extension RulePlan {
    var passage: Passage {
        Passage(field: interception.mark, families: families, isTunnelling: ownTunnel != nil)
    }
}

extension InstallState {
    var passage: Passage {
        let isTunnelling = devices?.contains { $0.name == OwnTunnel.deviceName } ?? false
        return Passage(
            field: Configuration.MarkField(value: mark, mask: mask), families: families, isTunnelling: isTunnelling)
    }
}

extension MarkedPacket {
    /// The kinds that pass a hook of the host's firewall, and what accepts them all, in nft's words. What the rules take is
    /// delivered locally, and what passes while no proxy listens (`direct`) has no mark and is forwarded by the host's own
    /// rules: only what goes through a tunnel to a remote proxy passes `forward`.
    static func passing(_ hook: String, _ passage: Passage) -> (packets: [MarkedPacket], accept: String)? {
        let field = passage.field
        func packets(_ kinds: [(MarkNumber?, MarkNumber?, String)]) -> [MarkedPacket] {
            passage.families.flatMap { family in
                kinds.map { MarkedPacket(field: field, packetMark: $0, connectionMark: $1, state: $2, family: family) }
            }
        }
        func set(_ numbers: [MarkNumber]) -> String {
            "{ \(numbers.map { $0.value(in: field).hexadecimal }.joined(separator: ", ")) }"
        }
        let mask = field.mask.hexadecimal
        switch hook {
        case "prerouting", "input":
            return (
                packets([
                    (.toProxy, .toProxy, "new"), (.toProxy, .upstream, "established"), (.loop, .upstream, "new"),
                ]), "meta mark and \(mask) == \(set([.toProxy, .loop])) accept"
            )
        case "forward" where passage.isTunnelling:
            return (
                packets([
                    (.tunnel, .tunnel, "new"), (nil, .tunnel, "established"), (nil, .fromTunnel, "new"),
                    (.tunnel, .fromTunnel, "established"),
                ]), "ct mark and \(mask) == \(set([.tunnel, .fromTunnel])) accept"
            )
        case "output", "postrouting":
            let tunnelled: [(MarkNumber?, MarkNumber?, String)] = [
                (.tunnel, .tunnel, "new"), (nil, .fromTunnel, "new"),
            ]
            return (
                packets(
                    [
                        (.upstream, .upstream, "new"), (.loop, .upstream, "new"), (nil, .toProxy, "established"),
                        (nil, .loop, "established"),
                    ] + (passage.isTunnelling && hook == "postrouting" ? tunnelled : [])),
                "ct mark and \(mask) != 0x0 accept"
            )
        default: return nil
        }
    }
}
