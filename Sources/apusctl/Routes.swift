import Admin
import ArgumentParser

/// The rules of the route tables, and what has become of their requests.
struct Routes: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Rules of the route tables, in their order.")

    @OptionGroup var options: AdminOptions

    func run() async throws {
        try await options.show("/routes", as: [RouteStatusView].self, Self.words)
    }

    static func words(_ routes: [RouteStatusView]) -> String {
        var table = Table(
            "ROUTE", "DOMAINS", "MATCH", "ACTION", ">ACTIVE", ">REQUESTS", ">4XX", ">5XX", ">RETRIES", ">P50/P99/P999",
            "GRPC", "FLAGS")
        for route in routes {
            let requests = route.requests
            table.add(
                route.name, route.domains.joined(separator: ","), route.match, route.action, "\(route.requestsActive)",
                requestsText(requests), classText(requests, "4xx"), classText(requests, "5xx"),
                requests.map { "\($0.retries)" } ?? "", latencyText(requests), countsText(requests?.grpc ?? [:]),
                countsText(requests?.flags ?? [:]))
        }
        return table.text
    }
}

/// How many; nothing before the first.
func requestsText(_ requests: RequestsView?) -> String { requests.map { "\($0.total)" } ?? "" }

/// How many of a class.
func classText(_ requests: RequestsView?, _ name: String) -> String {
    requests.map { "\($0.byClass[name] ?? 0)" } ?? ""
}

/// `820us/4.2ms/31ms`: what half, 99 % and 99.9 % of the requests took at most.
func latencyText(_ requests: RequestsView?) -> String {
    guard let requests, let p50 = requests.p50Milliseconds, let p99 = requests.p99Milliseconds,
        let p999 = requests.p999Milliseconds
    else { return "" }
    return [p50, p99, p999].map(durationText).joined(separator: "/")
}

/// A short time for eyes: `820us`, `4.2ms`, `31ms`, `2.1s`. Two digits are what the figure is good for.
func durationText(milliseconds: Double) -> String {
    switch milliseconds {
    case ..<0.9995: "\(Int((milliseconds * 1000).rounded()))us"
    case ..<9.95: "\((milliseconds * 10).rounded() / 10)ms"
    case ..<999.5: "\(Int(milliseconds.rounded()))ms"
    case ..<9950: "\((milliseconds / 100).rounded() / 10)s"
    default: "\(Int((milliseconds / 1000).rounded()))s"
    }
}
