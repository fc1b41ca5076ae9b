import Admin

/// `GET /metrics` of the guard.
enum GuardMetrics {
    static func render(_ status: GuardStatusView, _ view: GuardView) -> [UInt8] {
        var text = MetricsText()
        addLocal(status, view, &text)
        text.family("apus_guard_remote_healthy", .gauge, "1: connections may be sent to the remote.")
        for remote in status.remotes { text.sample(remote.isHealthy == false ? 0 : 1, ["remote": remote.name]) }
        text.family("apus_guard_forced", .gauge, "1 for the mode that is forced, or auto.")
        for mode in ForcedMode.allCases { text.sample(mode == status.forced ? 1 : 0, ["mode": mode.rawValue]) }
        text.family("apus_guard_path", .gauge, "1 for where new connections go: local, remote, direct or drop.")
        for path in ["local", "remote", "direct", "drop"] { text.sample(path == status.path ? 1 : 0, ["path": path]) }
        text.family("apus_guard_rules_as_desired", .gauge, "1: the host's rules are as they should be.")
        text.sample(status.rules.areAsDesired ? 1 : 0)
        text.family("apus_guard_rule_conflicts", .gauge, "What others have that stands in the rules' way.")
        text.sample(status.rules.conflicts.count)
        text.family("apus_guard_rule_repairs_total", .counter, "Repairs of rules that others had changed.")
        text.sample(status.rules.repairs)
        return text.bytes
    }

    private static func addLocal(_ status: GuardStatusView, _ view: GuardView, _ text: inout MetricsText) {
        text.family("apus_guard_local_state", .gauge, "1 for the local proxy's state.")
        for state in LocalProxy.State.allCases {
            text.sample(state == status.local.state ? 1 : 0, ["state": state.rawValue])
        }
        text.family("apus_guard_local_taken", .gauge, "1: the rules lead new connections past the local proxy.")
        text.sample(status.local.isTaken ? 1 : 0)
        text.family("apus_guard_local_workers", .gauge, "Workers that the guard's probes have found.")
        text.sample(status.local.workers.count)
        text.family(
            "apus_guard_probes_total", .counter, "Probes of the local proxy by outcome; excused ones prove nothing.")
        let outcomes: KeyValuePairs = [
            "answered": view.answered, "unanswered": view.unanswered, "refused": view.refused, "excused": view.excused,
        ]
        for (outcome, count) in outcomes { text.sample(count, ["outcome": outcome]) }
        text.family("apus_guard_late_rounds_total", .counter, "Rounds that the guard itself was late for.")
        text.sample(view.lateRounds)
        text.family("apus_guard_news_lost_total", .counter, "Times that the kernel's news of rules overran.")
        text.sample(view.overruns)
        text.family("apus_guard_changes_total", .counter, "Changes of what is thought of a proxy.")
        text.sample(view.changes)
        text.family("apus_guard_kills_total", .counter, "Local proxies killed because they made no progress.")
        text.sample(view.kills)
    }
}
