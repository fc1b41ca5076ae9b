import HTTP
import Model
import Testing

@testable import Routing

/// The compiled tables against the naive matcher, with random tables and requests out of few words, so that much matches.
struct DifferentialTests {
    private struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var mixed = (state ^ (state >> 30)) &* 0xbf58_476d_1ce4_e5b9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
            return mixed ^ (mixed >> 31)
        }
        mutating func pick<Element>(_ elements: [Element]) -> Element {
            elements[Int.random(in: 0..<elements.count, using: &self)]
        }
        mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }
    }

    private static let domains = [
        "*", "*:80", "a.b", "*.b", "*b", "a.*", "a*", "a.b:80", "*.b:80", "a.*:80", "c.a.b", "*.a.b", "c.*", "x",
        "*.a.b:443",
    ]
    private static let segments = ["", "a", "b", "aa", "ab", "v1"]
    private static let names = ["x", "y", "cookie"]
    private static let values = ["", "1", "12", "ab"]
    private static let methods = ["GET", "POST", "PURGE", "LIST"]

    @Test func theyAgree() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = Generator(state: seed)
        var found = 0
        for round in 0..<300 {
            let table = Self.table(&random)
            let tables = try Tables(table.virtualHosts)
            let naive = NaiveMatcher(table: table)
            for _ in 0..<40 {
                let asked = Self.request(&random)
                let expected = naive.find(asked)
                let got = tables.find(Self.head(asked))
                if expected != nil { found += 1 }
                #expect(got == expected, "seed \(seed) round \(round): \(asked) in \(table)")
                if got != expected { return }
            }
        }
        #expect(found > 2000, "too few requests meet a rule: \(found)")
    }

    private static func table(_ random: inout Generator) -> Configuration.RouteTable {
        var domains = Self.domains.shuffled(using: &random)[...]
        let hosts = (0..<Int.random(in: 1...4, using: &random)).map { _ in
            let count = Int.random(in: 1...3, using: &random)
            defer { domains = domains.dropFirst(count) }
            return Configuration.VirtualHost(
                domains: domains.prefix(count).compactMap { Domain($0) },
                rules: (0..<Int.random(in: 0...12, using: &random)).map { _ in rule(&random) })
        }
        return Configuration.RouteTable(name: "t", virtualHosts: hosts)
    }

    private static func rule(_ random: inout Generator) -> Configuration.Rule {
        var match = Configuration.RequestMatch()
        switch Int.random(in: 0..<10, using: &random) {
        case 0..<5: match.path = .prefix(path(&random))
        case 5..<7: match.path = .exact(path(&random))
        case 7: match.path = .regex(random.pick(["/a+.*", "/[ab]/.*", "/", "/v[0-9]", ".*b"]))
        default: break
        }
        if random.chance(20) { match.methods = [random.pick(methods), random.pick(methods)] }
        if random.chance(25) { match.headers = [valueMatch(&random)] }
        if random.chance(25) { match.query = [valueMatch(&random)] }
        return Configuration.Rule(match: match, action: .respond(status: 200, body: ""))
    }

    private static func valueMatch(_ random: inout Generator) -> Configuration.ValueMatch {
        let value = random.pick(values)
        return Configuration.ValueMatch(
            name: random.pick(names),
            random.pick([.present, .absent, .exact(value), .prefix(value), .regex("[0-9]+"), .regex("a?b|")]))
    }

    private static func path(_ random: inout Generator) -> String {
        (0..<Int.random(in: 1...3, using: &random)).map { _ in "/" + random.pick(segments) }.joined()
    }

    private static func request(_ random: inout Generator) -> NaiveMatcher.Request {
        func fields(_ random: inout Generator) -> [(String, String)] {
            (0..<Int.random(in: 0...3, using: &random)).map { _ in (random.pick(names), random.pick(values)) }
        }
        return NaiveMatcher.Request(
            method: random.pick(methods),
            host: random.pick(["a.b", "A.b", "c.a.b", "a.c", "b", "x", "ab", "xb", "d.b", ""]),
            port: random.pick([nil, 80, 443]), path: path(&random), query: fields(&random), headers: fields(&random))
    }

    private static func head(_ asked: NaiveMatcher.Request) -> MessageHead {
        let query = asked.query.map { $0.1.isEmpty ? $0.0 : "\($0.0)=\($0.1)" }.joined(separator: "&")
        return RoutingTests.request(
            asked.method, asked.host + (asked.port.map { ":\($0)" } ?? ""),
            asked.path + (query.isEmpty ? "" : "?" + query), headers: asked.headers)
    }
}
