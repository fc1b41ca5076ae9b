import Model

/// `failover`. It is read before `interception` and `pods`: what it says about hosts decides whose pods are taken.
extension ConfigurationReader {
    mutating func readFailover(_ value: Value) {
        let known = ["policy", "remotes", "probe", "tunnel", "hostMark", "protects", "sourcePorts", "guard"]
        guard let fields = value.fields(known) else { return }
        if let policy = fields["policy"].flatMap(readPolicy) { configuration.failover.policy = policy }
        if let probe = fields["probe"] { configuration.failover.probe = readProbe(probe) }
        if let tunnel = fields["tunnel"] { configuration.failover.tunnel = readTunnel(tunnel) }
        if let mask = fields["hostMark"].flatMap(readHostMark) { configuration.failover.hostMarkMask = mask }
        if let ports = fields["sourcePorts"].flatMap(readSourcePorts) { configuration.failover.sourcePorts = ports }
        if let admin = fields["guard"] { readGuard(admin) }
        if let hosts = fields["protects"] { readProtectedHosts(hosts) }
        if let remotes = fields["remotes"] { readRemotes(remotes) }
        if configuration.node.mode == .remote { standAlone() }
        if configuration.failover.policy.first == .remote, configuration.failover.remotes.isEmpty {
            (fields["remotes"] ?? fields["policy"])?.fail(
                "names no remote of this host, expected one or more for the answer remote")
        }
    }

    /// What a fleet's file says about the remotes of its hosts is not meant for the remotes themselves: nobody stands in
    /// for one.
    private mutating func standAlone() {
        configuration.failover.remotes = []
        configuration.failover.policy.removeAll { $0 == .remote }
        if configuration.failover.policy.isEmpty { configuration.failover.policy = [.drop] }
    }

    /// A pod's own policy. What it may answer depends on the node's tunnel, which its host's own part of the file names.
    func readPodFailover(_ value: Value, isEffective: Bool) -> [Configuration.Failover.Answer]? {
        guard let fields = value.fields(["policy"]) else { return nil }
        guard let policyValue = fields.required("policy", "answers, such as [remote, drop]") else { return nil }
        let policy = readPolicy(policyValue)
        if isEffective, policy?.first == .remote, configuration.failover.remotes.isEmpty {
            policyValue.fail("answers remote on a host without remotes, expected failover.remotes to name one")
        }
        return policy
    }

    private func readPolicy(_ value: Value) -> [Configuration.Failover.Answer]? {
        guard let items = value.nonEmptyList("answers: remote, direct or drop") else { return nil }
        var policy: [Configuration.Failover.Answer] = []
        for item in items {
            guard let answer = item.choice(Configuration.Failover.Answer.self) else { continue }
            if let last = policy.last, last != .remote || last == answer {
                item.fail("\(answer.rawValue) is never reached after \(last.rawValue), expected nothing more")
            } else {
                policy.append(answer)
            }
        }
        return policy
    }

    private func readProbe(_ value: Value) -> Configuration.Probe {
        var probe = configuration.failover.probe
        let known = ["interval", "timeout", "unhealthyAfter", "healthyAfter", "killAfter"]
        guard let fields = value.fields(known) else { return probe }
        // Each probe is a connection to each worker: more than a hundred a second would be load, not observation.
        if let interval = fields["interval"]?.duration(.milliseconds(10)...(.seconds(60))) { probe.interval = interval }
        if let timeout = fields["timeout"]?.duration(.milliseconds(10)...(.seconds(60))) { probe.timeout = timeout }
        if let count = fields["unhealthyAfter"]?.integer(1...1000) { probe.unhealthyAfter = count }
        if let count = fields["healthyAfter"]?.integer(1...10000) { probe.healthyAfter = count }
        if let time = fields["killAfter"]?.duration(.seconds(1)...(.seconds(86400))) { probe.killAfter = time }
        return probe
    }

    private mutating func readGuard(_ value: Value) {
        guard let fields = value.fields(["address", "port"]) else { return }
        if let address = fields["address"]?.address() { configuration.failover.guardAdmin.address = address }
        if let port = fields["port"]?.port(0...65535) { configuration.failover.guardAdmin.port = port }
        bindings.guardAdmin = (configuration.failover.guardAdmin, value)
    }

    private func readTunnel(_ value: Value) -> Configuration.Tunnel {
        var tunnel = Configuration.Tunnel()
        guard let fields = value.fields(["vni", "port"]) else { return tunnel }
        if let vni = fields["vni"]?.integer(1...0xff_ffff) { tunnel.vni = UInt32(vni) }
        if let port = fields["port"]?.port() { tunnel.port = port }
        return tunnel
    }

    /// Adjacent bits: the id of a protected host is their value.
    private func readHostMark(_ value: Value) -> UInt32? {
        guard let field = value.fields(["mask"])?["mask"] else { return nil }
        guard let mask = field.parsed("a 32-bit number, such as 0xffff0000", Units.mark) else { return nil }
        let bits = mask >> UInt32(mask.trailingZeroBitCount & 31)
        guard mask != 0, bits & (bits &+ 1) == 0 else {
            field.fail("\(Units.hexadecimal(mask)) is not a row of adjacent bits, expected one, such as 0xffff0000")
            return nil
        }
        return mask
    }

    // MARK: remotes

    /// Those of this host: a remote does not stand in for itself, and `by` of this host's own entry may name some only.
    private mutating func readRemotes(_ value: Value) {
        var names = NameIndex("remote")
        var addresses: [IPAddress: Position] = [:]
        for item in value.list("remotes") ?? [] {
            guard let fields = item.fields(["name", "address", "adminPort"]) else { continue }
            let name = names.declare(fields.required("name", "the remote's name"))
            let port = fields["adminPort"]?.port() ?? 15000
            guard let addressValue = fields.required("address", "where its end of the tunnel is"),
                let address = addressValue.address()
            else { continue }
            if let first = addresses.updateValue(addressValue.position, forKey: address) {
                addressValue.fail(
                    "\(address) is already the address of the remote at \(problems.place(first)), expected another")
            }
            guard let name, name != configuration.node.name, ownHost?.by?.contains(name) ?? true else { continue }
            configuration.failover.remotes.append(.init(name: name, address: address, adminPort: port))
        }
    }

    // MARK: protected hosts

    /// One list serves a fleet: the entry of this host tells its own tunnel and prefixes, others tell whom it protects.
    private mutating func readProtectedHosts(_ value: Value) {
        var places = HostPlaces()
        for (index, item) in (value.list("hosts") ?? []).enumerated() {
            guard let fields = item.fields(["id", "node", "address", "podCIDRs", "tunnel", "by"]) else { continue }
            let by = fields["by"]?.list("names of remotes")?.compactMap { $0.name() }
            guard let host = readHost(fields, position: index + 1, &places) else { continue }
            if host.node == configuration.node.name {
                ownHost = (host, by)
                configuration.failover.tunnel = host.tunnel
            } else if by?.contains(configuration.node.name) ?? true {
                configuration.failover.protects.append(host)
            }
        }
        checkTunnelAddresses(value)
    }

    private func readHost(
        _ fields: Fields, position: Int, _ places: inout HostPlaces
    ) -> Configuration.ProtectedHost? {
        let id = fields["id"]?.integer(1...0xffff) ?? position
        if let value = fields["id"] ?? fields["node"] { checkID(id, value, &places) }
        let node = places.nodes.declare(fields.required("node", "the host's node.name"))
        let address = fields.required("address", "where its end of the tunnel is")?.address()
        let prefixes = readHostPrefixes(fields, &places)
        let tunnel = fields.required("tunnel", "its vni and port").map(readTunnel)
        guard let node, let address, let tunnel else { return nil }
        return .init(id: id, node: node, address: address, podCIDRs: prefixes, tunnel: tunnel)
    }

    private func checkID(_ id: Int, _ value: Value, _ places: inout HostPlaces) {
        let mask = configuration.failover.hostMarkMask
        let idMax = Int(mask >> UInt32(mask.trailingZeroBitCount & 31))
        if id > idMax { value.fail("id \(id) does not fit hostMark.mask, expected at most \(idMax)") }
        guard let first = places.ids.updateValue(value.position, forKey: id) else { return }
        value.fail("id \(id) is already that of the host at \(problems.place(first)), expected another")
    }

    private func readHostPrefixes(_ fields: Fields, _ places: inout HostPlaces) -> [CIDR] {
        let values = fields.required("podCIDRs", "the prefixes of its pods")?.nonEmptyList("address prefixes") ?? []
        return values.compactMap { value in
            guard let prefix = value.prefix() else { return nil }
            if let other = places.prefixes.first(where: { $0.prefix.overlaps(prefix) }) {
                let place = problems.place(other.position)
                value.fail("\(prefix) overlaps \(other.prefix) at \(place), expected prefixes that share no address")
            }
            places.prefixes.append((prefix, value.position))
            return prefix
        }
    }

    /// A tunnel's addresses follow from its network identifier: two tunnels of one host must not share them.
    private func checkTunnelAddresses(_ value: Value) {
        var owners: [UInt32: String] = [:]
        let failover = configuration.failover
        let own = [(configuration.node.name, failover.tunnel)]
        let hasOwn = ownHost != nil || failover.policy.first == .remote
        for (node, tunnel) in (hasOwn ? own : []) + failover.protects.map({ ($0.node, $0.tunnel) }) {
            guard let other = owners.updateValue(node, forKey: tunnel.vni % 2048) else { continue }
            value.fail(
                "the tunnels of \(other) and \(node) have the same addresses, "
                    + "expected network identifiers (vni) that differ modulo 2048")
        }
    }

    /// The host whose pods have `node` as their node: 0 is this one, nil one that is neither this nor protected.
    func hostID(ofNode node: String) -> Int? {
        if node == configuration.node.name { return 0 }
        return configuration.failover.protects.first { $0.node == node }?.id
    }

    /// The prefixes of a host's pods and the field that names them.
    func podCIDRs(ofHost id: Int) -> (field: String, prefixes: [CIDR]) {
        guard id != 0 else { return ("interception.podCIDRs", configuration.interception?.podCIDRs ?? []) }
        let host = configuration.failover.protects.first { $0.id == id }
        return ("the podCIDRs of \(host?.node ?? "its host")", host?.podCIDRs ?? [])
    }

    /// Where the hosts of `protects` and what must differ among them were given.
    private struct HostPlaces {
        var nodes = NameIndex("host")
        var ids: [Int: Position] = [:]
        var prefixes: [(prefix: CIDR, position: Position)] = []
    }
}
