import Model
import Testing
import Upstream

@Suite struct HealthMachineTests {}
