import Lab

/// A host that drops by default, as ufw or an administrator sets it up: INPUT takes loopback and neighbour discovery,
/// FORWARD takes the pods' devices, OUTPUT (when it is closed) loopback, neighbour discovery and answers.
struct ClosedHost {
    var variant = KubeProxy.Variant.nft
    var closesOutput = false

    /// Closes the host, both families.
    func close(_ host: Node) throws {
        for family in ["iptables", "ip6tables"] {
            let program = "\(family)-\(variant.rawValue)-restore"
            let icmp = family == "iptables" ? "icmp" : "ipv6-icmp"
            let file = try host.workspace.write(text(icmp), to: "\(program)-\(host.name)")
            try host.run([program, "-w", "5", file]).required()
        }
    }

    private func text(_ icmp: String) -> String {
        """
        *filter
        :INPUT DROP [0:0]
        :FORWARD DROP [0:0]
        :OUTPUT \(closesOutput ? "DROP" : "ACCEPT") [0:0]
        -A INPUT -i lo -j ACCEPT
        -A INPUT -p \(icmp) -j ACCEPT
        -A FORWARD -i pod+ -j ACCEPT
        -A FORWARD -o pod+ -j ACCEPT
        -A OUTPUT -o lo -j ACCEPT
        -A OUTPUT -p \(icmp) -j ACCEPT
        -A OUTPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
        COMMIT

        """
    }
}
