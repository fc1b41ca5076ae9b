import Model

/// Which of the kernel's two rule languages the rules are written in.
public enum Backend: Sendable, Hashable {
    /// One own nft table. New connections fall through to the next rule when nobody listens, at once.
    case nft
    /// Own chains in iptables. With `decisions` `.nft` the choice that must fall through sits in a small own nft
    /// table; with `.xtables` (no nf_tables in the kernel) it cannot fall through.
    case iptables(IptablesVariant, decisions: Decisions)

    /// Where the TPROXY decisions of an iptables backend are taken.
    public enum Decisions: String, Sendable, Hashable, Codable { case nft, xtables }

    /// Whether the plan has an own nft table.
    var usesNft: Bool {
        self != .iptables(.nft, decisions: .xtables) && self != .iptables(.legacy, decisions: .xtables)
    }
}

extension Backend: CustomStringConvertible {
    /// `nft`, `iptables (nft variant, decisions in nft)`.
    public var description: String {
        switch self {
        case .nft: "nft"
        case .iptables(let variant, let decisions): "iptables (\(variant.rawValue) variant, decisions in \(decisions))"
        }
    }
}

extension Backend {
    /// Every backend there is.
    static let all: [Backend] =
        [.nft]
        + IptablesVariant.allCases.flatMap { variant in
            [Decisions.nft, .xtables].map { Backend.iptables(variant, decisions: $0) }
        }

    /// From its description.
    init?(_ description: String) {
        guard let backend = Self.all.first(where: { $0.description == description }) else { return nil }
        self = backend
    }
}

/// What an operator asks for.
public enum BackendChoice: String, Sendable, CaseIterable, Codable { case auto, nft, iptables }

/// The two sets of iptables programs. Their rules live in different places of the kernel and both sets run.
public enum IptablesVariant: String, Sendable, Hashable, CaseIterable, Codable { case nft, legacy }

/// One set of iptables programs for one address family: the unit that is read and restored at once.
public struct Xtables: Sendable, Hashable {
    /// nft or legacy.
    public let variant: IptablesVariant
    /// The family.
    public let family: IPAddress.Family

    /// The programs of `variant` for `family`.
    public init(_ variant: IptablesVariant, _ family: IPAddress.Family) {
        self.variant = variant
        self.family = family
    }

    /// Every set there is.
    static let all = IptablesVariant.allCases.flatMap { [Xtables($0, .v4), Xtables($0, .v6)] }

    var prefix: String { (family == .v4 ? "iptables-" : "ip6tables-") + variant.rawValue }
    var saveTool: String { prefix + "-save" }
    var restoreTool: String { prefix + "-restore" }
}

extension Xtables: CustomStringConvertible {
    /// `ip6tables-nft`.
    public var description: String { prefix }
}
