import Model

extension ConfigurationReader {
    /// `interception`: what the host's rules take, and the ports and marks they use.
    mutating func readInterception(_ value: Value) {
        hasInterception = true
        let known = [
            "outboundPort", "inboundPort", "sourcePorts", "mark", "podCIDRs", "excludeCIDRs", "excludeOutboundPorts",
            "excludeInboundPorts", "preserveSource",
        ]
        guard let fields = value.fields(known) else { return }
        var interception = Configuration.Interception(podCIDRs: readPodCIDRs(fields))
        if let port = fields["outboundPort"]?.port() { interception.outboundPort = port }
        if let port = fields["inboundPort"]?.port() { interception.inboundPort = port }
        if let mark = fields["mark"].flatMap(readMark) { interception.mark = mark }
        interception.excludeCIDRs = fields["excludeCIDRs"]?.list("address prefixes")?.compactMap { $0.prefix() } ?? []
        interception.excludeOutboundPorts = Self.ports(fields["excludeOutboundPorts"])
        interception.excludeInboundPorts = Self.ports(fields["excludeInboundPorts"])
        if let preserve = fields["preserveSource"]?.boolean() { interception.preserveSource = preserve }
        // A remote's connections carry addresses of other hosts' pods: not the range that those hosts use.
        if configuration.node.mode == .remote { interception.sourcePorts = Configuration.Failover.defaultSourcePorts }
        if let ports = fields["sourcePorts"].flatMap(readSourcePorts) { interception.sourcePorts = ports }
        bindings.outbound = (interception.outboundPort, fields["outboundPort"] ?? value)
        bindings.inbound = (interception.inboundPort, fields["inboundPort"] ?? value)
        configuration.interception = interception
    }

    private static func ports(_ value: Value?) -> [PortRange] {
        value?.list("ports or ranges")?.compactMap { $0.portRange() } ?? []
    }

    /// The range may hold the interception ports: those belong to loopback addresses, these to pods' addresses.
    func readSourcePorts(_ value: Value) -> PortRange? {
        guard let ports = value.portRange() else { return nil }
        if ports.count < 2 || ports.first < 1024 {
            value.fail(
                "\(ports) does not serve both legs, expected two ports or more from 1024 on, such as 10240-19999")
        }
        return ports
    }

    private func readPodCIDRs(_ fields: Fields) -> [CIDR] {
        guard let list = fields["podCIDRs"] else { return missingPodCIDRs(fields) }
        let values = configuration.node.mode == .remote ? list.list("prefixes") : list.nonEmptyList("address prefixes")
        var prefixes: [(prefix: CIDR, value: Value)] = []
        // A variable that is set to nothing: a host without IPv6, or a remote without pods.
        let given = (values ?? []).filter { !$0.isEmptyText }
        if let values, !values.isEmpty, given.isEmpty, configuration.node.mode != .remote {
            list.fail("has empty texts only, expected one or more address prefixes")
        }
        for value in given {
            guard let prefix = value.prefix() else { continue }
            if let reason = Self.hostsOwn(prefix) {
                value.fail("\(prefix) \(reason), expected a prefix of pods")
            } else if let other = prefixes.first(where: { $0.prefix.overlaps(prefix) }) {
                let place = problems.place(other.value.position)
                value.fail("\(prefix) overlaps \(other.prefix) at \(place), expected prefixes that share no address")
            } else {
                prefixes.append((prefix, value))
            }
        }
        return prefixes.map(\.prefix)
    }

    /// This host's entry in `failover.protects` says them as well, and a remote may have no pods of its own.
    private func missingPodCIDRs(_ fields: Fields) -> [CIDR] {
        if let host = ownHost?.host { return host.podCIDRs }
        if configuration.node.mode != .remote { _ = fields.required("podCIDRs", "the prefixes of this host's pods") }
        return []
    }

    /// What `failover` and `interception` must agree on.
    func checkHosts(_ fields: Fields) {
        let failover = configuration.failover
        let needsRules = failover.policy.first == .remote || !failover.protects.isEmpty
        guard let interception = configuration.interception else {
            if needsRules, !hasInterception {
                fields["failover"]?.fail(
                    "has no effect without interception, expected an interception section: its ports and marks")
            }
            return
        }
        if needsRules, failover.hostMarkMask & interception.mark.mask != 0 {
            fields["failover"]?.fail(
                "hostMark.mask \(Units.hexadecimal(failover.hostMarkMask)) shares bits with interception.mark.mask "
                    + "\(Units.hexadecimal(interception.mark.mask)), expected masks without a common bit")
        }
        for host in failover.protects {
            for (own, other) in interception.podCIDRs.flatMap({ own in host.podCIDRs.map { (own, $0) } })
            where own.overlaps(other) {
                fields["failover"]?.fail(
                    "\(other) of \(host.node) overlaps \(own) of interception.podCIDRs, "
                        + "expected prefixes that share no address")
            }
        }
        guard configuration.node.mode == .local, !failover.protects.isEmpty else { return }
        let (own, others) = (interception.sourcePorts, failover.sourcePorts)
        if own.first <= others.last && others.first <= own.last {
            fields["failover"]?.fail(
                "sourcePorts \(others) shares ports with interception.sourcePorts \(own), expected ranges apart: "
                    + "what one proxy left behind would meet the other's connections")
        }
    }

    /// Why rules for `prefix` would cut the host off.
    private static func hostsOwn(_ prefix: CIDR) -> String? {
        if prefix.length == 0 { return "holds every address, the host's own too" }
        let reserved = ["127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4", "::1/128", "fe80::/10", "ff00::/8"]
        let clash = reserved.first { text in CIDR(text).map(prefix.overlaps) ?? false }
        return clash.map { "holds addresses of \($0)" }
    }

    /// `mark`: three adjacent bits, `value` the lowest. Either one tells the other.
    private func readMark(_ value: Value) -> Configuration.MarkField? {
        guard let fields = value.fields(["value", "mask"]) else { return nil }
        let expected = "a 32-bit number, such as 0x10"
        let lowest = fields["value"]?.parsed(expected, Units.mark)
        let mask = fields["mask"]?.parsed(expected, Units.mark)
        guard let bit = lowest ?? mask.map({ $0 & (~$0 &+ 1) }) else { return nil }
        guard bit.nonzeroBitCount == 1, bit <= 1 << 29 else {
            (fields["value"] ?? fields["mask"])?.fail(
                "\(Units.hexadecimal(bit)) is not the lowest of three adjacent bits, expected one bit from 0x1 to 0x20000000"
            )
            return nil
        }
        let field = Configuration.MarkField(value: bit, mask: bit * 7)
        if let mask, mask != field.mask {
            fields["mask"]?.fail(
                "\(Units.hexadecimal(mask)) is not three adjacent bits from \(Units.hexadecimal(bit)) up, "
                    + "expected \(Units.hexadecimal(field.mask))")
        }
        return field
    }
}
