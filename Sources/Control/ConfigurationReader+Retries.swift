import Model

/// `retry` of a route.
extension ConfigurationReader {
    func readRetry(_ value: Value) -> RetryPolicy? {
        let known = ["attempts", "perTryTimeout", "when", "grpc", "backoff", "budget"]
        guard let fields = value.fields(known) else { return nil }
        var policy = RetryPolicy()
        if let attempts = fields["attempts"]?.integer(0...10) { policy.attempts = attempts }
        if let timeout = fields["perTryTimeout"]?.duration() { policy.perTryTimeout = timeout.nanoseconds }
        if let when = fields["when"] { readConditions(when, &policy) }
        if let grpc = fields["grpc"] { readGRPCStatuses(grpc, &policy) }
        if let backoff = fields["backoff"]?.fields(["base", "max"]) { readBackoff(backoff, &policy) }
        if let share = fields["budget"]?.percent() { policy.budgetPercent = Int((share * 100).rounded()) }
        return policy
    }

    private func readConditions(_ value: Value, _ policy: inout RetryPolicy) {
        policy.when = []
        let names = RetryPolicy.Condition.names
        let expected = names.map(\.name).joined(separator: ", ") + " or a status from 400 to 599"
        for item in value.nonEmptyList("conditions") ?? [] {
            guard let text = item.scalar(expected) else { continue }
            if let (_, condition) = names.first(where: { $0.name == text }) {
                policy.when.insert(condition)
            } else if let status = Units.integer(text), (400...599).contains(status) {
                if policy.insert(status: status) { continue }
                item.fail("is one status too many, expected \(RetryPolicy.statusesMax) at most (see 5xx)")
            } else {
                item.failKind(expected: expected)
            }
        }
    }

    private func readGRPCStatuses(_ value: Value, _ policy: inout RetryPolicy) {
        let names = RetryPolicy.grpcNames
        for item in value.nonEmptyList("gRPC statuses") ?? [] {
            guard let name = item.choice(among: names.map(\.name)),
                let (_, status) = names.first(where: { $0.name == name })
            else { continue }
            policy.grpc |= 1 << UInt32(status)
        }
    }

    /// Without a maximum it is ten times the base.
    private func readBackoff(_ fields: Fields, _ policy: inout RetryPolicy) {
        if let base = fields["base"]?.duration() {
            policy.backoffBase = base.nanoseconds
            policy.backoffMax = 10 * base.nanoseconds
        }
        guard let value = fields["max"], let longest = value.duration() else { return }
        policy.backoffMax = longest.nanoseconds
        if policy.backoffMax < policy.backoffBase { value.fail("is shorter than base, expected base or more") }
    }
}
