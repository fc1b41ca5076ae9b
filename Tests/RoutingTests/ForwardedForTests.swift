import HTTP
import Model
import Testing

@testable import Routing

/// Whom an upstream takes for the client.
struct ForwardedForTests {
    private func record(_ policy: Configuration.ForwardedFor, _ hops: Int) throws -> HTTPListenerRecord {
        let address = try #require(SocketAddress("127.0.0.1:80"))
        let tables = try Tables(
            Configuration(
                listeners: [
                    .init(
                        name: "l", address: address, cluster: "c", protocolKind: .http1, forwardedFor: policy,
                        trustedHops: hops)
                ], clusters: [.init(name: "c", discovery: .endpoints([]))]))
        return tables.snapshot.httpListeners[0]
    }

    @Test(arguments: [
        (Configuration.ForwardedFor.replace, 0, ["1.1.1.1, 2.2.2.2"], "9.9.9.9"), (.replace, 0, [], "9.9.9.9"),
        (.replace, 1, ["1.1.1.1, 2.2.2.2"], "2.2.2.2, 9.9.9.9"),
        (.replace, 2, ["1.1.1.1,2.2.2.2 ", " ,3.3.3.3"], "2.2.2.2, 3.3.3.3, 9.9.9.9"),
        (.replace, 5, ["1.1.1.1"], "1.1.1.1, 9.9.9.9"), (.append, 0, ["a, b", "c"], "a, b, c, 9.9.9.9"),
        (.append, 0, [], "9.9.9.9"), (.append, 0, [", ,"], "9.9.9.9"),
    ])
    func theFieldIsOne(policy: Configuration.ForwardedFor, hops: Int, came: [String], expected: String) throws {
        var head = request(headers: came.map { ("x-forwarded-for", $0) })
        ForwardedFor.rewrite(&head, try record(policy, hops), client: try #require(IPAddress("9.9.9.9")))
        #expect(head.fieldCount == 1)
        #expect(text(head, head.field(0).value) == expected)
    }

    @Test func offLeavesItAlone() throws {
        var head = request(headers: [("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "2")])
        ForwardedFor.rewrite(&head, try record(.off, 0), client: try #require(IPAddress("9.9.9.9")))
        #expect(head.fieldCount == 2)
    }

    @Test func theClientIsWhatTheFarthestTrustedHopSaw() {
        let head = request(headers: [("x-forwarded-for", "1.1.1.1, 2.2.2.2"), ("x-forwarded-for", "3.3.3.3")])
        func client(_ hops: Int) -> String? { ForwardedFor.clientEntry(head, trustedHops: hops).map { text(head, $0) } }
        #expect(client(0) == nil)
        #expect(client(1) == "3.3.3.3")
        #expect(client(2) == "2.2.2.2")
        #expect(client(9) == "1.1.1.1")
    }
}
