import HTTP
import Model
import Patterns
import Routing

/// How long a match takes and what tables cost, for tables of several shapes in several orders:
///
///     swift run -c release apus-routes
///
/// Requests are drawn at random from those that the rules are for, so caches are as cold as they would be.
@main enum Routes {
    static func main() throws {
        for order in Order.allCases {
            try measure("1,000 domains x 10 path prefixes", order, Shapes.manyDomains)
            try measure("1,000 suffix domains x 10 path prefixes", order, Shapes.manySuffixes)
            try measure("1 domain x 10,000 path prefixes", order, Shapes.manyPrefixes)
            try measure("1 domain x 10,000 exact paths", order, Shapes.manyExacts)
            try measure("1,000 domains x 10 rules by header", order, Shapes.manyHeaders)
            try measure("1 domain, 1 rule", order, Shapes.one)
            try measure("1 domain, 20 regular expressions", order, Shapes.patterns)
        }
    }

    private static func measure(_ name: String, _ order: Order, _ shape: () -> Shapes.Shape) throws {
        let shape = shape()
        let hosts = order.apply(shape.virtualHosts).map {
            Configuration.VirtualHost(domains: $0.domains, rules: order.apply($0.rules))
        }
        let configuration = Configuration(
            routes: [.init(name: "t", virtualHosts: hosts)],
            clusters: [.init(name: "c", discovery: .endpoints([]))])
        let before = Memory.residentBytes()
        var compiler = SnapshotCompiler(shared: SharedState(), names: SlotNames())
        let clock = ContinuousClock()
        let start = clock.now
        let snapshot = try compiler.compile(configuration, oldestGenerationInUse: 0)
        let compiled = clock.now
        let tables = RouteTables(snapshot)
        let built = clock.now
        let memory = Memory.residentBytes() - before
        let heads = Heads(shape.requests.shuffled())
        var scratch = PatternScratch()
        var best = Int64.max
        for _ in 0..<5 { best = min(best, heads.findAll(tables.view, &scratch)) }
        print(
            name, order, "\(best) ns/match", "snapshot \((compiled - start).nanoseconds / 1_000_000) ms",
            "tables \((built - compiled).nanoseconds / 1_000_000) ms", "\(memory >> 10) KiB", separator: "; ")
        withExtendedLifetime(tables) {}
    }
}

/// The order in which domains and rules stand in the configuration.
enum Order: CaseIterable {
    case given, reversed, shuffled

    func apply<Element>(_ elements: [Element]) -> [Element] {
        switch self {
        case .given: elements
        case .reversed: elements.reversed()
        case .shuffled: elements.shuffled()
        }
    }
}

/// Requests, ready to be matched.
@safe final class Heads {
    // The only owner; freed with it.
    private let heads: UnsafeMutablePointer<MessageHead>
    private let count: Int

    init(_ requests: [Shapes.Asked]) {
        count = requests.count
        unsafe heads = .allocate(capacity: requests.count)
        for (index, request) in requests.enumerated() {
            var head = MessageHead()
            head.setMethod(Array("GET".utf8).span)
            head.setAuthority(Array(request.host.utf8).span)
            head.setPath(Array(request.path.utf8).span)
            for (name, value) in request.headers { head.append(Array(name.utf8).span, Array(value.utf8).span) }
            // In bounds of the allocation above, initialised once.
            unsafe (heads + index).initialize(to: head)
        }
    }

    deinit {
        // All were initialised.
        unsafe heads.deinitialize(count: count)
        unsafe heads.deallocate()
    }

    /// Nanoseconds per match. Every request must meet a rule.
    func findAll(_ view: RouteView, _ scratch: inout PatternScratch) -> Int64 {
        let rounds = max(1, 1_000_000 / count)
        var missed = 0
        let clock = ContinuousClock()
        let time = clock.measure {
            for _ in 0..<rounds {
                for index in 0..<count {
                    // In bounds.
                    if unsafe view.find(table: 0, heads[index], scratch: &scratch) == nil { missed += 1 }
                }
            }
        }
        precondition(missed == 0, "\(missed) requests met no rule")
        return time.nanoseconds / Int64(rounds * count)
    }
}
