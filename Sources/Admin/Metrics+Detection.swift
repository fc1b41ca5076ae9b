import Model

extension Metrics {
    /// What connections turned out to speak, where first bytes decide.
    mutating func addDetection() {
        text.family(
            "apus_detected_total", .counter,
            "Connections under protocol auto or tls, by what they began with (none: ended before anybody spoke).")
        let counters: [(String, WorkerCounter)] = [
            (SpokenProtocol.tls.label, .detectedTLS), (SpokenProtocol.http2.label, .detectedHTTP2),
            (SpokenProtocol.http1.label, .detectedHTTP1), (SpokenProtocol.bytes.label, .detectedBytes),
            (SpokenProtocol.serverFirst.label, .detectedServerFirst), ("none", .detectedNothing),
        ]
        for (label, counter) in counters {
            text.sample(workers.sum(\.worker, 0, counter.rawValue), ["protocol": label])
        }
        text.family(
            "apus_detection_upstreams_unused_total", .counter,
            "Upstream connections opened for a silent client that then began with HTTP, and closed again.")
        text.sample(workers.sum(\.worker, 0, WorkerCounter.upstreamsUnused.rawValue))
    }
}
