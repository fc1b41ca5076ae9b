import DNS
import Model

/// What is known of one name: the addresses of each family that are in use, and the answers of the lookup under way.
///
/// Each family keeps what was found last until something better is known. It changes when it is answered with
/// addresses; it goes when the answer is that it has none *and* the other family was found in the same lookup. So no failure, and no
/// server that knows nothing at all, takes an address away, and the addresses of one family do not go with the failure of the other.
struct DNSFindings: Sendable {
    private var v4: [IPAddress] = [], v6: [IPAddress] = []
    private var answerV4: DNSAnswer?, answerV6: DNSAnswer?

    /// All that are in use, in ascending order.
    var addresses: [IPAddress] { (v4 + v6).sorted { ($0.high, $0.low) < ($1.high, $1.low) } }

    /// Both questions are answered.
    var isComplete: Bool { answerV4 != nil && answerV6 != nil }

    /// Whether one of the questions has been answered with addresses.
    var isFound: Bool { life != nil }

    /// The shorter time to live of the families that were found, in seconds; nil: none was.
    var life: Int? { [answerV4, answerV6].compactMap { $0.flatMap(Self.life) }.min() }

    /// What went wrong, for people; nil: every family was found, or is known to have no address while the other has.
    var problem: String? {
        let failures = [(DNSFamily.v4, answerV4), (.v6, answerV6)].compactMap { family, answer -> String? in
            guard case .failed(let text)? = answer else { return nil }
            return "\(family.record): \(text)"
        }
        if !failures.isEmpty { return failures.joined(separator: ", ") }
        return isFound ? nil : "no such name, or no address"
    }

    /// A question is answered. False: it had been.
    mutating func take(_ answer: DNSAnswer, _ family: DNSFamily) -> Bool {
        guard (family == .v4 ? answerV4 : answerV6) == nil else { return false }
        if family == .v4 { answerV4 = answer } else { answerV6 = answer }
        return true
    }

    /// Puts what has been answered so far into use.
    mutating func apply() {
        guard isFound else { return }
        Self.apply(answerV4, to: &v4)
        Self.apply(answerV6, to: &v6)
    }

    /// The next lookup begins.
    mutating func begin() { (answerV4, answerV6) = (nil, nil) }

    private static func apply(_ answer: DNSAnswer?, to addresses: inout [IPAddress]) {
        switch answer {
        case .addresses(let found, _): addresses = found
        case .some(.none): addresses = []
        case .failed, nil: break
        }
    }

    private static func life(_ answer: DNSAnswer) -> Int? {
        guard case .addresses(_, let seconds) = answer else { return nil }
        return seconds
    }
}
