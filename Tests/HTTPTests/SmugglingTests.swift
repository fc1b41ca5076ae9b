import HTTP
import HTTPChecks
import Smuggling
import Testing

/// Every vector is refused as it must be, or has as many requests as it must have.
struct SmugglingTests {
    @Test func namesAreUnique() {
        #expect(Set(SmugglingVector.all.map(\.name)).count == SmugglingVector.all.count)
        #expect(SmugglingVector.all.count >= 80)
    }

    @Test(arguments: SmugglingVector.all) func vector(_ vector: SmugglingVector) {
        let transcript = Transcript.requests(vector.bytes)
        let seen = transcript.lines.joined(separator: "\n")
        switch vector.expected {
        case .refused(let status):
            #expect(transcript.violation?.status == status && transcript.ends == 0, "\(seen)")
        case .requests(let count):
            #expect(transcript.violation == nil && transcript.ends == count, "\(seen)")
        case .requestsThenRefused(let count, let status):
            #expect(transcript.violation?.status == status && transcript.ends == count, "\(seen)")
        }
    }

    @Test(arguments: SmugglingVector.all) func splitAnywhere(_ vector: SmugglingVector) {
        // Long ones at some places, or it takes minutes.
        let places = stride(from: 0, through: vector.bytes.count, by: max(1, vector.bytes.count / 300))
        let problem = Checks.requests(vector.bytes, splits: places.map { [$0] })
        #expect(problem == nil)
    }
}
