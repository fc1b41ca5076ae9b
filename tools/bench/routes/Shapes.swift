import Model

/// Tables as fleets have them, with the requests that they are for.
enum Shapes {
    struct Asked {
        var host: String
        var path: String
        var headers: [(String, String)] = [("user-agent", "bench"), ("accept", "*/*"), ("x-trace", "0123456789abcdef")]
    }

    struct Shape {
        var virtualHosts: [Configuration.VirtualHost] = []
        var requests: [Asked] = []
    }

    private static func rule(_ match: Configuration.RequestMatch) -> Configuration.Rule {
        Configuration.Rule(match: match, action: .forward(.init(targets: [.init(cluster: "c")])))
    }

    private static func domains(_ texts: String...) -> [Domain] { texts.compactMap { Domain($0) } }

    static func manyDomains() -> Shape { domains { "service-\($0).namespace-\($0 % 20).svc.cluster.local" } }

    /// The longest suffix is the right one: hosts have a label more.
    static func manySuffixes() -> Shape {
        var shape = domains { "*.service-\($0).example.com" }
        for index in shape.requests.indices {
            shape.requests[index].host = "www" + shape.requests[index].host.dropFirst()
        }
        return shape
    }

    private static func domains(_ name: (Int) -> String) -> Shape {
        var shape = Shape()
        for number in 0..<1000 {
            let paths = (0..<10).map { "/api/v\($0)/resource" }
            shape.virtualHosts.append(
                .init(domains: domains(name(number)), rules: paths.map { rule(.init(path: .prefix($0))) }))
            shape.requests += paths.map { Asked(host: name(number), path: $0 + "/17?page=2") }
        }
        return shape
    }

    static func manyPrefixes() -> Shape { manyPaths { .prefix($0) } }
    static func manyExacts() -> Shape { manyPaths { .exact($0) } }

    private static func manyPaths(_ match: (String) -> Configuration.RequestMatch.Path) -> Shape {
        let paths = (0..<10_000).map { "/api/v1/tenants/\($0)/orders" }
        return Shape(
            virtualHosts: [
                .init(domains: domains("shop.example.com"), rules: paths.map { rule(.init(path: match($0))) })
            ],
            requests: paths.map { Asked(host: "shop.example.com", path: $0) })
    }

    static func manyHeaders() -> Shape {
        var shape = Shape()
        for number in 0..<1000 {
            let host = "service-\(number).svc"
            let values = (0..<10).map(String.init)
            shape.virtualHosts.append(
                .init(
                    domains: domains(host),
                    rules: values.map { rule(.init(path: .prefix("/"), headers: [.init(name: "x-user", .exact($0))])) })
            )
            shape.requests += values.map {
                Asked(host: host, path: "/cart/items", headers: [("accept", "*/*"), ("x-user", $0)])
            }
        }
        return shape
    }

    static func one() -> Shape {
        Shape(
            virtualHosts: [.init(domains: [.any], rules: [rule(.init(path: .prefix("/")))])],
            requests: (0..<100).map { Asked(host: "127.0.0.1:8080", path: "/\($0)") })
    }

    static func patterns() -> Shape {
        let names = (0..<20).map { "resource\($0)" }
        return Shape(
            virtualHosts: [
                .init(domains: [.any], rules: names.map { rule(.init(path: .regex("/api/\($0)/[0-9]+(/.*)?"))) })
            ],
            requests: names.map { Asked(host: "h", path: "/api/\($0)/4711/items") })
    }
}
