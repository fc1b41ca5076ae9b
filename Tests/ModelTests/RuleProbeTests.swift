import Model
import Testing

@Suite struct RuleProbeTests {
    @Test func answersAreReadBack() {
        let answer = RuleProbe.Answer(worker: 3, generation: 17)
        #expect(answer.line == "apus worker 3 generation 17\n")
        #expect(RuleProbe.Answer(answer.line) == answer)
        let leaving = RuleProbe.Answer(worker: 0, generation: 1, isLeaving: true)
        #expect(leaving.line == "apus worker 0 generation 1 leaving\n")
        #expect(RuleProbe.Answer(leaving.line) == leaving)
    }

    @Test(arguments: [
        "", "apus worker 3 generation 17", "apus worker 3 generation 17\nmore", "apus worker x generation 17\n",
        "HTTP/1.1 400 Bad Request\r\n", "apus worker 3 generation -1\n", "apus worker 3 generation 17\r\n",
    ]) func otherWordsAreNoAnswer(line: String) {
        #expect(RuleProbe.Answer(line) == nil)
    }

    @Test func addressesAreAsDocumented() {
        #expect(RuleProbe.clients.map(\.description) == ["169.254.112.0/29", "fd61:7075:7300::/125"])
        let destinations = [IPAddress.Family.v4, .v6].map(RuleProbe.destination)
        #expect(destinations.map(\.description) == ["169.254.112.8:15021", "[fd61:7075:7300::8]:15021"])
        for destination in destinations {
            #expect(!RuleProbe.clients.contains { $0.contains(destination.address) })
            let client = RuleProbe.client(destination.address.family)
            #expect(RuleProbe.isProbe(from: client, to: destination))
            #expect(!RuleProbe.isProbe(from: client, to: SocketAddress(destination.address, 80)))
        }
        #expect(!RuleProbe.isProbe(from: IPAddress(v4: 0x0a01_000b), to: destinations[0]))
        #expect(!RuleProbe.isProbe(from: RuleProbe.client(.v6), to: destinations[0]))
    }
}
