package api_test

import (
	"fmt"
	"testing"
)

// theRules names a test for each rule of protocol.md §8 that `go test -run
// Rules -v` lists. Some tests hold for two rules.
func theRules() map[string][]func(*testing.T) {
	return map[string][]func(*testing.T){
		// Input rules (§8.1).
		"R01": {r01NewlinesOfBothDocumentsAreAccepted},
		"R02": {r02R03EscapesAreAuthenticatedAsTransmitted},
		"R03": {r02R03EscapesAreAuthenticatedAsTransmitted},
		"R04": {r04DoublesAreExactIntegersOnEveryInterface},
		"R05": {r05NumbersAsTextAndIDsAsNumbers},
		"R06": {r06MonitoringIsNeverRefusedForItsContent},
		"R07": {r07R08RefundsTakeSignaturesAndCodes},
		"R08": {r07R08RefundsTakeSignaturesAndCodes},
		"R09": {r09GarbageSignaturesAreACleanRefusal},
		"R10": {r10TheSmallestRequestsAreAccepted},
		"R11": {r11R12NoncesRepeatAndUnknownMembersAreIgnored},
		"R12": {r11R12NoncesRepeatAndUnknownMembersAreIgnored},
		"R13": {r13SampleCodeSpellingsReachTheirPlace},
		"R14": {r14IdentityConditionsOfAnyShape},
		"R15": {r15AlternativeSpellingsReachTheirPlace},
		"R16": {r16WhatIsNotAuthenticIsRefusedAlike},
		"R17": {r17StrayLineBreaksBetweenRequests, r17ChunkedRequestsPassUntouched, r17ADeviceHoldsItsConnectionForHours},
		"R18": {r18PingAnswersAnyBodyFlat},
		// Output rules (§8.2).
		"R19": {r19HeadersAreSmallAndTheBodyHasALength},
		"R20": {r20EveryStatusIsHTTP200},
		"R21": {r21LongAnswersKeepBelowTheBufferOfCClients},
		"R22": {r22IDsFitTheBuffersOfCClients},
		"R23": {r23MembersThatClientsDereferenceArePresent},
		"R24": {r24LogIDsDifferAndArePositive},
		"R25": {r25NumbersArePlainIntegers},
		"R26": {r26TheContentIsAString},
		"R27": {r27AuthenInfoByStatus},
		"R28": {r28TheObjectIsThereWheneverAuthenticated},
		"R29": {r29DetailIsTextOfADetailOrAbsent},
		"R30": {r30RefundsHaveNoOrderClientObject},
		"R31": {r31ListsHaveTheirMembersAndTimesAreNumbers},
		"R32": {r32PagesPastTheEndAreEmpty},
		"R33": {r33SettingsHaveAllMembers},
		"R34": {r34MiniProgramArguments},
		"R35": {r35CodesAreUpperCaseOverTheExactText},
		"R36": {r36ContentIsPureASCII},
		"R37": {r37QueryShowsTheCodeOfAScanOrder},
		// Behaviour rules (§8.3).
		"R38": {r38R39MicroPayWhileTheCustomerTypes, r38RefusalsAreNeverStatusZero},
		"R39": {r38R39MicroPayWhileTheCustomerTypes},
		"R40": {r40R42UnpaidOrdersNeverLookPaid},
		"R41": {r41RefundsAreListedInCreationOrder},
		"R42": {r40R42UnpaidOrdersNeverLookPaid},
		"R43": {r43DifferingRepetitionsAre407AndChangeNothing, r43RefundsRepeatSafely},
		"R44": {r44ReverseIsRefusedWhereItMustNeverHappen},
		"R45": {r45RefundsNeverExceedTheOrder},
		"R46": {r46ADeviceIsBoundToOneTerminal},
		"R47": {r47CallbacksAreAcknowledgedByStringOrObject},
		"R48": {r48EveryHostNameShowsTheSameState},
		"R49": {r49TheSDKReturnsAnErrorForEveryStatus},
		"R50": {r50TheSDKKeepsItsRules},
	}
}

// rulesOfTheProtocol is how many there are.
const rulesOfTheProtocol = 50

// TestRules runs every rule of protocol.md §8 by its name, and fails for one
// that no test names.
func TestRules(t *testing.T) {
	t.Parallel()
	rules := theRules()
	for i := 1; i <= rulesOfTheProtocol; i++ {
		name := fmt.Sprintf("R%02d", i)
		tests := rules[name]
		delete(rules, name)
		if len(tests) == 0 {
			t.Errorf("no test names rule %s", name)
			continue
		}
		for n, test := range tests {
			name := name
			if n > 0 {
				name = fmt.Sprintf("%s.%d", name, n+1)
			}
			t.Run(name, test)
		}
	}
	for name := range rules {
		t.Errorf("%s is not a rule of the protocol", name)
	}
}
