import Admin
import ArgumentParser

/// The pods and what they send and receive.
struct Pods: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "The pods of this host, and of those it stands in for.")

    @OptionGroup var options: AdminOptions

    func run() async throws {
        try await options.show("/pods", as: [PodView].self) { pods in
            var table = Table(
                "POD", "ADDRESSES", ">ACTIVE", ">MAX", ">OUT", ">IN", ">SENT", ">RECEIVED", ">REQUESTS OUT", ">5XX",
                ">P50/P99/P999", ">REQUESTS IN", ">5XX", ">P50/P99/P999", "RESETS")
            for pod in pods {
                table.add(
                    pod.name + (pod.host.map { " on \($0)" } ?? ""), pod.addresses.joined(separator: ","),
                    "\(pod.connectionsActive)",
                    "\(pod.connectionsMax)", "\(pod.outboundConnections)", "\(pod.inboundConnections)",
                    bytesText(pod.bytesSent), bytesText(pod.bytesReceived), requestsText(pod.requestsSent),
                    classText(pod.requestsSent, "5xx"), latencyText(pod.requestsSent),
                    requestsText(pod.requestsReceived), classText(pod.requestsReceived, "5xx"),
                    latencyText(pod.requestsReceived), countsText(pod.resets))
            }
            return table.text
        }
    }
}

/// `denied_outbound 3, pod_limit 1`: most frequent first.
func countsText(_ counts: [String: Int]) -> String {
    counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
}
