import Model

/// A rule of somebody's nft table, as far as it can be judged without a packet at hand: conditions on marks, on the
/// connection's state and on the protocol are understood, every other one may hold or not.
struct NftRule: Sendable, Equatable {
    var conditions: [Condition] = []
    /// nil: the rule decides nothing.
    var verdict: Verdict?

    /// What a rule compares.
    enum Condition: Sendable, Equatable {
        case packetMark(mask: UInt32, values: [UInt32], isNegated: Bool)
        case connectionMark(mask: UInt32, values: [UInt32], isNegated: Bool)
        /// `ct state`, `meta nfproto`, `meta l4proto` against words.
        case words(Fact, [String], isNegated: Bool)
        /// Anything else.
        case unknown
    }

    /// What is known of our packets beside their marks.
    enum Fact: String, Sendable { case state, nfproto, l4proto }

    /// What a rule does with a packet that meets its conditions.
    enum Verdict: Sendable, Equatable {
        case accept, drop, leave
        case jump(String)
        case goto(String)
    }

    /// From one rule's `expr` of `nft -j list`.
    init(_ expressions: [JSONValue]) {
        for expression in expressions {
            guard case .object(let members) = expression, let (name, content) = members.first else { continue }
            switch name {
            // They change or count packets and let the rule go on.
            case "counter", "log", "mangle", "notrack", "comment": continue
            case "match": conditions.append(Condition(content))
            case "accept": verdict = .accept
            case "drop", "reject": verdict = .drop
            case "return": verdict = .leave
            case "continue": verdict = nil
            case "jump": verdict = content["target"]?.text.map(Verdict.jump)
            case "goto": verdict = content["target"]?.text.map(Verdict.goto)
            default: conditions.append(.unknown)
            }
        }
    }

    /// Chains it may lead to for packets it is known to match.
    var target: String? {
        guard !conditions.contains(.unknown) else { return nil }
        switch verdict {
        case .jump(let chain), .goto(let chain): return chain
        default: return nil
        }
    }
}

extension NftRule.Condition {
    /// From a `match` of `nft -j list`.
    init(_ match: JSONValue) {
        self = .unknown
        guard let left = match["left"], let right = match["right"], let comparison = match["op"]?.text,
            ["==", "!=", "in"].contains(comparison)
        else { return }
        let isNegated = comparison == "!="
        let values = (right["set"] ?? right).elements
        if let (key, mask) = Self.mark(left) {
            let numbers = values.compactMap { $0.number.map(UInt32.init(truncatingIfNeeded:)) }
            guard numbers.count == values.count else { return }
            self =
                key == "meta"
                ? .packetMark(mask: mask, values: numbers, isNegated: isNegated)
                : .connectionMark(mask: mask, values: numbers, isNegated: isNegated)
            return
        }
        let key = left["ct"]?["key"]?.text ?? left["meta"]?["key"]?.text
        let words = values.compactMap(\.text)
        guard let fact = key.flatMap(NftRule.Fact.init), words.count == values.count else { return }
        self = .words(fact, words, isNegated: isNegated)
    }

    /// `meta mark`, `ct mark`, and either with a mask.
    private static func mark(_ left: JSONValue) -> (key: String, mask: UInt32)? {
        let parts = left["&"]?.elements ?? [left, .number(Int64(UInt32.max))]
        guard parts.count == 2, let mask = parts[1].number else { return nil }
        for key in ["meta", "ct"] where parts[0][key]?["key"]?.text == "mark" {
            return (key, UInt32(truncatingIfNeeded: mask))
        }
        return nil
    }
}
