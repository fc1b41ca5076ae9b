import HTTP
import Model
import Patterns
import Testing

@testable import Routing

/// Which requests a filter is for.
struct FilterMatchTests {
    @Test func aFilterIsForWhatItsMatchSays() throws {
        func filter(_ match: Configuration.RequestMatch) -> Configuration.Filter {
            .init(match: match, .fault(.init(abortShare: 1)))
        }
        let rule = Configuration.Rule(
            action: .respond(status: 200, body: ""),
            filters: [
                filter(.init()), filter(.init(path: .prefix("/a"))), filter(.init(path: .exact("/a"))),
                filter(.init(path: .regex("/[a-z]"))), filter(.init(methods: ["PURGE"])),
                filter(.init(headers: [.init(name: "x-fault", .exact("1"))])),
            ])
        let tables = try Tables(rules: [rule])
        let filters = tables.view.rule(0).filters
        func applying(_ head: borrowing MessageHead) -> [Int] {
            var scratch = PatternScratch()
            var numbers: [Int] = []
            for index in filters.indices where tables.view.applies(filter: index, head, scratch: &scratch) {
                numbers.append(index - Int(filters.lower))
            }
            return numbers
        }
        #expect(applying(request("GET", "h", "/b/c")) == [0])
        #expect(applying(request("GET", "h", "/a?x")) == [0, 1, 2, 3])
        #expect(applying(request("PURGE", "h", "/ab", headers: [("x-fault", "1")])) == [0, 1, 4, 5])
        #expect(tables.snapshot.filters.count == 6)
    }
}
