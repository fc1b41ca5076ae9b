import Model

extension ConfigurationReader {
    /// `failover`: the policy is read; what only the answer `remote` needs is checked for its form.
    private func failoverPolicy(_ value: Value, isEffective: Bool) -> [Configuration.Failover.Answer]? {
        guard let items = value.nonEmptyList("answers: direct or drop") else { return nil }
        var policy: [Configuration.Failover.Answer] = []
        for item in items {
            guard let answer = readAnswer(item, isEffective: isEffective) else { continue }
            if let last = policy.last, last != .remote || last == answer {
                item.fail("\(answer.rawValue) is never reached after \(last.rawValue), expected nothing more")
            }
            policy.append(answer)
        }
        return policy
    }

    private func readAnswer(_ value: Value, isEffective: Bool) -> Configuration.Failover.Answer? {
        let name = value.choice(among: ["remote", "direct", "drop"], offered: ["direct", "drop"])
        let answer = name.flatMap(Configuration.Failover.Answer.init(rawValue:))
        if answer == .remote, isEffective { value.notInThisBuild("answer remote", expected: "direct or drop") }
        return answer
    }

    mutating func readFailover(_ value: Value) {
        guard let fields = value.fields(["policy", "protects"] + Shape.failover.keys.sorted()) else { return }
        for field in fields.all { Shape.failover[field.name]?.check(field.value) }
        if let value = fields["policy"], let policy = failoverPolicy(value, isEffective: true) {
            configuration.failover.policy = policy
        }
        guard let value = fields["protects"], let hosts = value.list("hosts") else { return }
        hosts.forEach(Shape.protectedHost.check)
        if !hosts.isEmpty { value.notInThisBuild("standing in for other hosts", expected: "an empty list") }
    }

    /// A pod's own policy, which must not differ: one answer for the host is what this build installs.
    func checkPodFailover(_ value: Value, isEffective: Bool) {
        guard let fields = value.fields(["policy"]), let policyValue = fields["policy"],
            let policy = failoverPolicy(policyValue, isEffective: false), isEffective,
            policy != configuration.failover.policy
        else { return }
        let nodes = configuration.failover.policy.map(\.rawValue).joined(separator: ", ")
        policyValue.notInThisBuild("a pod's own policy", expected: "the node's: [\(nodes)]")
    }
}
