import Foundation
import Model

/// An emulation of kube-proxy's iptables mode in one host: ClusterIPs and NodePorts are rewritten in the nat table's
/// PREROUTING (pods, other hosts) and OUTPUT (the host itself), hooked before or after whatever is there.
public struct KubeProxy: Sendable {
    /// Where kube-proxy's jump stands among the rules of other programs.
    public enum Order: String, CaseIterable, Sendable {
        /// Behind them: it started last and appends.
        case appended
        /// Before them: as after its restart.
        case prepended
    }

    /// One translation.
    public struct Service: Sendable {
        /// The address that is dialled; nil for a NodePort, which is any address of the host.
        public let clusterIP: IPAddress?
        /// The port that is dialled.
        public let port: UInt16
        /// Where it leads; decides the family.
        public let endpoint: SocketAddress

        /// A ClusterIP.
        public init(clusterIP: IPAddress, port: UInt16, endpoint: SocketAddress) {
            self.clusterIP = clusterIP
            self.port = port
            self.endpoint = endpoint
        }

        /// A NodePort.
        public init(nodePort: UInt16, endpoint: SocketAddress) {
            clusterIP = nil
            port = nodePort
            self.endpoint = endpoint
        }

        var rule: String {
            let match = clusterIP.map { "-d \($0)" } ?? "-m addrtype --dst-type LOCAL"
            return "-A KUBE-SERVICES \(match) -p tcp --dport \(port) -j DNAT --to-destination \(endpoint)"
        }
    }

    /// Which iptables.
    public enum Variant: String, CaseIterable, Sendable {
        /// iptables-nft.
        case nft
        /// iptables-legacy.
        case legacy
    }

    /// The translations.
    public var services: [Service]
    /// Where its jump stands.
    public var order: Order
    /// Which iptables it uses.
    public var variant: Variant

    /// An emulated kube-proxy.
    public init(_ services: [Service], order: Order = .appended, variant: Variant = .nft) {
        self.services = services
        self.order = order
        self.variant = variant
    }

    /// Installs its rules in a host, once; to change them, make another lab.
    public func install(on host: Node) throws {
        for isV4 in [true, false] {
            let rules = services.filter { $0.endpoint.address.isV4 == isV4 }.map(\.rule)
            guard !rules.isEmpty else { continue }
            let text = restoreText(rules)
            let file = try host.workspace.write(text, to: "kube-\(host.name)-\(isV4 ? "v4" : "v6")")
            let program = "\(isV4 ? "iptables" : "ip6tables")-\(variant.rawValue)-restore"
            try host.run([program, "-w", "5", "--noflush", file]).required()
        }
    }

    /// The text for iptables-restore.
    func restoreText(_ rules: [String]) -> String {
        let jumps = ["PREROUTING", "OUTPUT"].map { chain in
            order == .appended ? "-A \(chain) -j KUBE-SERVICES" : "-I \(chain) 1 -j KUBE-SERVICES"
        }
        return (["*nat", ":KUBE-SERVICES - [0:0]"] + rules + jumps + ["COMMIT", ""]).joined(separator: "\n")
    }
}
