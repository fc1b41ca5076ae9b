import Testing

@testable import Model

@Suite struct RequestCounterTests {
    private func record(_ change: (inout RequestRecord) -> Void = { _ in }) -> RequestRecord {
        var record = RequestRecord()
        record.durationNanoseconds = 5_000_000
        record.status = 200
        record.attempts = 1
        record.bytesSent = 10
        record.bytesReceived = 1000
        change(&record)
        return record
    }

    @Test func columnsDoNotOverlapAndHaveNames() {
        #expect(RequestCounter.firstFlag == RequestCounter.allCases.count)
        #expect(RequestCounter.firstCallStatus == RequestCounter.firstFlag + RequestFlag.allCases.count)
        #expect(RequestCounter.firstBucket == RequestCounter.firstCallStatus + RequestCounter.callStatusLabels.count)
        #expect(RequestCounter.names.count == RequestCounter.width)
        #expect(Set(RequestCounter.names).count == RequestCounter.width)
        #expect(RequestFlag.allCases.count <= 64, "a bit for each")
        #expect(Set(RequestFlag.allCases.map(\.label)).count == RequestFlag.allCases.count)
        #expect(Set(RequestFlag.allCases.map(\.letters)).count == RequestFlag.allCases.count)
    }

    @Test func flagsAreASet() {
        for flag in RequestFlag.allCases {
            var flags = RequestFlags()
            flags.add(flag)
            flags.add(.internalError)
            flags.add(.clientReset)
            var seen: [RequestFlag] = []
            flags.forEach { seen.append($0) }
            #expect(Set(seen) == [flag, .internalError, .clientReset])
            #expect(seen.map(\.rawValue) == seen.map(\.rawValue).sorted())
        }
        RequestFlags().forEach { _ in Issue.record("an empty set") }
    }

    @Test(
        arguments: [
            (0, RequestCounter.statusNone), (99, .statusNone), (101, .status1xx), (199, .status1xx), (200, .status2xx),
            (299, .status2xx), (304, .status3xx), (404, .status4xx), (500, .status5xx), (599, .status5xx),
            (65535, .status5xx),
        ] as [(UInt16, RequestCounter)])
    func everyStatusHasAClass(status: UInt16, counter: RequestCounter) {
        let statistics = WorkerStatistics()
        statistics.countRequest(record { $0.status = status })
        #expect(statistics.requestsByListener.value(slot: 0, counter: counter.rawValue) == 1)
    }

    @Test func aRequestCountsForAllThatTakePartInIt() {
        let statistics = WorkerStatistics()
        let finished = record {
            $0.cluster = 9_999
            $0.route = 70
            $0.inboundRoute = 3
            $0.listener = 2
            $0.pod = 5
            $0.destinationPod = 6
            $0.attempts = 3
            $0.timeouts = 1
            $0.flags = [RequestFlags(.perTryTimeout), RequestFlags(.faultDelay)]
        }
        statistics.countRequest(finished)
        let blocks: [(any Counters, Int)] = [
            (statistics.requestsByCluster, 9_999), (statistics.requestsByRoute, 70), (statistics.requestsByRoute, 3),
            (statistics.requestsByListener, 2), (statistics.requestsByPod, PodRequests.sent(5)),
            (statistics.requestsByPod, PodRequests.received(6)),
        ]
        let bucket = RequestCounter.column(bucket: LatencyHistogram.bucket(5_000_000))
        for (index, (table, slot)) in blocks.enumerated() {
            func value(_ counter: RequestCounter) -> Int { table.value(slot: slot, counter: counter.rawValue) }
            #expect(value(.status2xx) == 1 && value(.retries) == 2 && value(.timeouts) == 1, "\(index)")
            #expect(value(.durationNanoseconds) == 5_000_000, "\(index)")
            #expect(table.value(slot: slot, counter: RequestCounter.column(.faultDelay)) == 1, "\(index)")
            #expect(table.value(slot: slot, counter: RequestCounter.column(.perTryTimeout)) == 1, "\(index)")
            #expect(table.value(slot: slot, counter: RequestCounter.column(.retryLimit)) == 0, "\(index)")
            let isServer = slot == PodRequests.received(6)
            #expect(value(.bytesSent) == (isServer ? 1000 : 10) && value(.bytesReceived) == (isServer ? 10 : 1000))
            #expect(table.value(slot: slot, counter: bucket) == (index == 3 ? 0 : 1), "listeners have no histogram")
        }
        #expect(!statistics.requestsByPod.hasBlock(PodRequests.podless))
    }

    @Test func aRequestWithoutPodsCountsAsPodless() {
        let statistics = WorkerStatistics()
        statistics.countRequest(record())
        #expect(
            statistics.requestsByPod.value(slot: PodRequests.podless, counter: RequestCounter.status2xx.rawValue) == 1)
        #expect(!statistics.requestsByCluster.hasBlock(0), "no cluster was chosen")
    }

    @Test func aMirroredCopyCountsForItsClusterOnly() {
        let statistics = WorkerStatistics()
        statistics.countRequest(
            record {
                $0.listener = -1
                $0.cluster = 4
            })
        #expect(statistics.requestsByCluster.value(slot: 4, counter: RequestCounter.status2xx.rawValue) == 1)
        #expect(!statistics.requestsByPod.hasBlock(PodRequests.podless) && !statistics.requestsByListener.hasBlock(0))
    }

    @Test func onlyWhatIsUsedHasABlockAndAClearedOneStartsAtZero() {
        let table = SparseCounterTable(capacity: 10_000, width: 3)
        for slot in stride(from: 0, to: 10_000, by: 100) { table.add(slot + 1, slot: slot, counter: 2) }
        #expect((0..<10_000).count { table.hasBlock($0) } == 100)
        for slot in stride(from: 0, to: 10_000, by: 100) {
            #expect(table.value(slot: slot, counter: 2) == slot + 1 && table.value(slot: slot, counter: 0) == 0)
        }
        table.clear(slot: 100)
        table.clear(slot: 101)
        #expect(table.value(slot: 100, counter: 2) == 0 && !table.hasBlock(101))
        for (slot, counter) in [(-1, 0), (10_000, 0), (Int.max, 0), (Int.min, 0), (0, 3)] {
            table.add(1, slot: slot, counter: counter)
            #expect(table.value(slot: slot, counter: counter) == 0, "out of range is ignored")
        }
    }
}
