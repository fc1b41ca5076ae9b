import Model

extension Metrics {
    /// The workers' own counters.
    mutating func addWorkers(_ now: Readiness.Now) {
        for (name, counter, kind, help) in Self.workerCounters {
            text.family(name, kind, help)
            for (index, worker) in workers.enumerated() {
                text.sample(worker.worker.value(slot: 0, counter: counter.rawValue), ["worker": "\(index)"])
            }
        }
        text.family("apus_worker_heartbeat_age_seconds", .gauge, "Since the worker's last turn.")
        for (index, worker) in workers.enumerated() {
            let heartbeat = worker.worker.value(slot: 0, counter: WorkerCounter.heartbeatMilliseconds.rawValue)
            guard heartbeat != 0 else { continue }
            text.sample(Double(max(0, now.monotonicMilliseconds - heartbeat)) / 1000, ["worker": "\(index)"])
        }
        addTurns()
    }

    /// How long turns took: what every connection of a worker may have to wait.
    private mutating func addTurns() {
        text.family(
            "apus_worker_turn_seconds", .histogram, "How long turns of the event loop took, waiting not included.")
        for (index, worker) in workers.enumerated() {
            let value = { worker.turns.value(slot: 0, counter: $0) }
            let buckets = TurnHistogram.bounds.enumerated().map { (bound: Double($1) / 1e9, count: value($0)) }
            text.histogram(
                buckets, rest: value(TurnHistogram.bounds.count), sum: Double(value(TurnHistogram.sum)) / 1e9,
                [("worker", "\(index)")])
        }
        text.family("apus_worker_turn_max_seconds", .gauge, "The longest turn since the start.")
        for (index, worker) in workers.enumerated() {
            text.sample(Double(worker.turns.value(slot: 0, counter: TurnHistogram.max)) / 1e9, ["worker": "\(index)"])
        }
    }

    private static let workerCounters: [(String, WorkerCounter, MetricsText.Kind, String)] = [
        ("apus_worker_turns_total", .turns, .counter, "Turns of the event loop."),
        ("apus_worker_gathers_total", .gathers, .counter, "Looks at busy HTTP/2 connections that are gathered."),
        ("apus_worker_accept_errors_total", .acceptErrors, .counter, "accept(2) failed."),
        (
            "apus_worker_accept_pauses_total", .acceptPauses, .counter,
            "Accepting was paused for want of descriptors or memory."
        ),
        (
            "apus_worker_access_log_dropped_total", .accessLogDropped, .counter,
            "Access log records the worker's ring had no room for."
        ),
        (
            "apus_worker_connections_passed_on_total", .connectionsPassedOn, .counter,
            "Fresh connections passed to a worker with fewer."
        ),
        (
            "apus_worker_rebalances_total", .rebalances, .counter,
            "Rounds in which live connections were passed to a worker with fewer."
        ),
        (
            "apus_worker_patterns_over_limit_total", .patternsOverLimit, .counter,
            "Regular expressions that took more steps than they may and so did not match."
        ),
        ("apus_worker_bugs_total", .bugs, .counter, "Events that should not happen and were survived."),
        ("apus_worker_connections_active", .connectionsActive, .gauge, "Live connections of the worker."),
        ("apus_worker_requests_active", .requestsActive, .gauge, "Requests under way on the worker."),
        ("apus_worker_buffered_bytes", .bufferedBytes, .gauge, "Bytes held for slow readers and HTTP/2 requests."),
    ]

    /// The access log's writer.
    mutating func addAccessLog(_ counts: AccessLogCounts) {
        text.family("apus_access_log_lines_total", .counter, "Access log lines written.")
        text.sample(counts.lines)
        text.family("apus_access_log_lost_total", .counter, "Access log lines lost because writing failed.")
        text.sample(counts.lost)
        text.family("apus_access_log_write_errors_total", .counter, "Access log writes or opens that failed.")
        text.sample(counts.errors)
    }

    /// How configurations fare.
    mutating func addConfiguration(_ readiness: Readiness, _ now: Readiness.Now) {
        let reloads = readiness.reloads
        text.family("apus_config_generation", .gauge, "Number of the configuration in force; 0 before the first.")
        text.sample(Int(clamping: snapshot?.generation ?? 0))
        text.family("apus_config_reloads_total", .counter, "Configurations taken over (the first included) or refused.")
        text.sample(reloads.applied, ["result": "success"])
        text.sample(reloads.refused, ["result": "refused"])
        text.family("apus_config_last_reload_success", .gauge, "0 while the newest configuration is a refused one.")
        text.sample(reloads.refusal == nil ? 1 : 0)
        if let time = reloads.lastAppliedUnixSeconds {
            text.family(
                "apus_config_last_success_timestamp_seconds", .gauge, "When the configuration in force was taken over.")
            text.sample(Int(time))
        }
        text.family("apus_config_restart_needed", .gauge, "Changed fields that wait for a restart.")
        text.sample(reloads.restartNeeded.count)
        text.family("apus_ready", .gauge, "1 when GET /ready says 200.")
        text.sample(readiness.view(of: proxy, now: now).ready ? 1 : 0)
        text.family("apus_build_info", .gauge, "1, with the version as a label.")
        text.sample(1, ["version": BuildVersion.text])
    }

    /// The metrics every Prometheus client library has.
    mutating func addProcess(_ process: ProcessUsage) {
        if let bytes = process.residentBytes {
            text.family("process_resident_memory_bytes", .gauge, "Resident memory size in bytes.")
            text.sample(bytes)
        }
        if let seconds = process.cpuSeconds {
            text.family("process_cpu_seconds_total", .counter, "Total user and system CPU time spent in seconds.")
            text.sample(seconds)
        }
        if let count = process.openDescriptors {
            text.family("process_open_fds", .gauge, "Number of open file descriptors.")
            text.sample(count)
        }
        if let count = process.descriptorsMax {
            text.family("process_max_fds", .gauge, "Maximum number of open file descriptors.")
            text.sample(count)
        }
        if let seconds = process.startUnixSeconds {
            text.family("process_start_time_seconds", .gauge, "Start time of the process since unix epoch in seconds.")
            text.sample(seconds)
        }
        if let count = process.threads {
            text.family("process_threads", .gauge, "Number of threads.")
            text.sample(count)
        }
    }
}
