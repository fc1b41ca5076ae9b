import Model

extension ConfigurationReader {
    /// `failover`: the policy is read; what only the answer `remote` needs is checked for its form.
    func failoverPolicy(_ value: Value) -> [Configuration.Failover.Answer]? {
        guard let items = value.nonEmptyList("answers: remote, direct or drop") else { return nil }
        var policy: [Configuration.Failover.Answer] = []
        for item in items {
            guard let answer = item.choice(Configuration.Failover.Answer.self) else { continue }
            if let last = policy.last, last != .remote || last == answer {
                item.fail("\(answer.rawValue) is never reached after \(last.rawValue), expected nothing more")
            }
            policy.append(answer)
        }
        return policy
    }

    mutating func readFailover(_ value: Value) {
        guard let fields = value.fields(["policy", "protects"] + Shape.failover.keys.sorted()) else { return }
        for field in fields.all { Shape.failover[field.name]?.check(field.value) }
        if let value = fields["policy"], let policy = failoverPolicy(value) {
            configuration.failover.policy = policy
            if policy.contains(.remote) { value.notInThisBuild("answer remote", expected: "direct or drop") }
        }
        guard let value = fields["protects"], let hosts = value.list("hosts") else { return }
        hosts.forEach(Shape.protectedHost.check)
        if !hosts.isEmpty { value.notInThisBuild("standing in for other hosts", expected: "an empty list") }
    }

    /// A pod's own policy, which must not differ: one answer for the host is what this build installs.
    func checkPodFailover(_ value: Value, isEffective: Bool) {
        guard let fields = value.fields(["policy"]), let policyValue = fields["policy"],
            let policy = failoverPolicy(policyValue), isEffective, policy != configuration.failover.policy
        else { return }
        let nodes = configuration.failover.policy.map(\.rawValue).joined(separator: ", ")
        policyValue.notInThisBuild("a pod's own policy", expected: "the node's: [\(nodes)]")
    }
}
