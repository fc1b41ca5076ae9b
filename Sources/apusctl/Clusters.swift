import Admin
import ArgumentParser

/// The clusters, and each one's endpoints.
struct Clusters: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Upstream clusters and their endpoints.")

    @OptionGroup var options: AdminOptions

    func run() async throws {
        try await options.show("/clusters", as: [ClusterView].self) { clusters in
            var table = Table(
                "CLUSTER", "BALANCER", "ENDPOINT", ">WEIGHT", "HEALTH", ">ACTIVE", ">CONNECTIONS", ">FAILED",
                ">TIMED OUT", ">SENT", ">RECEIVED", ">REQUESTS", ">5XX", ">RETRIES", ">P50/P99/P999")
            for cluster in clusters {
                table.add(
                    cluster.name, cluster.discovery == "static" ? cluster.loadBalancer : "-",
                    cluster.discovery == "static" ? "\(cluster.endpoints.count)" : cluster.discovery, " ", " ",
                    "\(cluster.connectionsActive)\(cluster.connectionsMax.map { "/\($0)" } ?? "")",
                    "\(cluster.connections)", "\(cluster.connectFailures)", "\(cluster.connectTimeouts)",
                    bytesText(cluster.bytesSent), bytesText(cluster.bytesReceived), requestsText(cluster.requests),
                    classText(cluster.requests, "5xx"), cluster.requests.map { "\($0.retries)" } ?? "",
                    latencyText(cluster.requests))
                for endpoint in cluster.endpoints {
                    table.add(
                        " ", " ", endpoint.address, "\(endpoint.weight)",
                        endpoint.health + (endpoint.checkFailure.map { " (\($0))" } ?? ""),
                        "\(endpoint.connectionsActive)", " ", " ", " ", " ", " ", " ", " ", " ", " ")
                }
            }
            return table.text
        }
    }
}
