# ruff: noqa: E501
"""The SHA-256 of the SQL of every table, trigger and index that guards the ledger and the keys. Pure.

The server compares its database with it before it writes, whoever verifies a copy does the same.
A change here without a migration, or a migration without a change here, is a server that refuses to
start: tests/unit/ledger/test_guards.py compares it with a fresh database.
"""

import hashlib
from collections.abc import Mapping
from typing import Final

OBJECTS_SQL: Final = "SELECT name, sql FROM sqlite_master WHERE tbl_name = ? AND sql IS NOT NULL"

EXPECTED: Final[Mapping[str, Mapping[str, str]]] = {
    "ledger_event": {
        "ledger_event": "ec9478ba09b07891a48d24700b20f4f7683ae6b2589b7087749f911f53eb5a47",
        "ledger_event_new_id": "d5c0802e100ae37f7b6a337ea4afe1e120a391b9c2fdefd6dfb9234dffa5769d",
        "ledger_event_next_only": "8f5ca26b6e32cc0e43d8c1dde98ca75816adb0fc095cf65c479bc8f881032e46",
        "ledger_event_no_delete": "1158b2e40f36b8f91de55f2870f4d077492813e7dfd7bdb80ccd916503c253af",
        "ledger_event_no_update": "2d9be4df49b81884d7171bebdbd3ba4d89a0e0456c129da3322b657aa1da7fd1",
    },
    "ledger_node": {
        "ledger_node": "85798f28a16f640c295295eca282f95e83ca0f3bfb7b4b8ecbbeb911f70bc74c",
        "ledger_node_next_only": "3ce53196c46b17820ed983a94b16f12292178b8a1ee7aa602546fd938aaa1ee0",
        "ledger_node_no_delete": "8f45c6b892f56965cfd966addaa585a84566a256b430ef8a76ab6217c1379ffb",
        "ledger_node_no_update": "46367e3e3a8ddb29d4fd8d88d263f3232b71f56053aa1f337bf08c49007e8136",
    },
    "ledger_commit": {
        "ledger_commit": "501312d57b290dc868e803e6235f4058efc6283426c79ce7cedfc5c858ab7b6f",
        "ledger_commit_larger_only": "f161587fac65b0ce9a09fd931efde7e35d74e86a1e09491e7bed82c4c52f32e6",
        "ledger_commit_no_delete": "7898c0c8cd6b5258d380a6c799af04357b3535dd10f5e0e56a37aa48893c2223",
        "ledger_commit_no_update": "6c071a660f30a21187d774120485a8a2936cab55223645097e61863c05012600",
    },
    "ledger_checkpoint": {
        "ledger_checkpoint": "c4d3aae25130b6974d17191393f1af2ae24d64cfc600e175ddaaeb68abb06651",
        "ledger_checkpoint_larger_only": "dee9411d57a579709b45b99bccb44ae71c467b81f1b4f9d71d26775735e2a82c",
        "ledger_checkpoint_no_delete": "38e0dade908481612fcdaa48981b079feacbb0ed41a42b3054634c3cebc452d1",
        "ledger_checkpoint_no_update": "22009138c51538dccd444eb130c62d45ab9dd9788d690159c1054db093403ca5",
    },
    "ledger_cosignature": {
        "ledger_cosignature": "88a3b6fc839292af28e8b0c3f0fd4fa85babed069b981be04f95b3335621ed1d",
        "ledger_cosignature_larger_only": "8835441c3a1dff4d31e5fd95c8ed09c16f4c6c6c0c919d9602fdd4360a5e993f",
        "ledger_cosignature_no_delete": "eb8ca7fbf463c5681a4559698ce731d12a1b955e6525e7c53fe16d9cfaca4029",
        "ledger_cosignature_no_update": "c0ec62232fbbe95434e7cc9138e20e3f5c10520cbe66d89e098cb33ddc4f18bd",
    },
    "ledger_blob": {
        "ledger_blob": "39b8320e02ab1f0ebf17c11dcc193742aa81d27410efb74deabf2c7890551cd4",
        "ledger_blob_new_only": "c6fa9fdcdfd324368bcc2f188d8927596d5081c0c123bb322a5bb0bc75ca9598",
        "ledger_blob_no_delete": "b64129057298c927d03a7a68a26695ca1b76a8bd957d1f38840c4616ec2002df",
        "ledger_blob_no_update": "86a18f9d5d4449321f4e37d3797fb7ac7cb4deca54900812d1e7e9e6ff764fb8",
    },
    "ledger_index": {
        "ledger_index": "311b252cfd7dd8c1801a568f31f16397b6434dae42e601f1b9519789ec4c9a06",
        "ledger_index_digest": "be498c14a4ecea1ca8ee1e763c9c51478745246cd9ce173313e6783eb30b5e85",
        "ledger_index_intent": "9886695d8d0b230e727200b8e892d69209750816f9b41dbdd657217123008150",
        "ledger_index_model": "a481c9f43fc6d104e9dea598c5c0be67b77381973a7128969f7d8470cc97b585",
        "ledger_index_plan": "8fd780d04283917b7e58cbde590deddf87307375d11b4798aaebd7df480d16df",
        "ledger_index_reason": "1d43444661809c0d8988eecb44696a10babd13eb44d07cd69927333e70b3a90b",
        "ledger_index_request": "3c88e31c88e6575a214aca6583c57d7e4b0663ea9520628655cd7b8b323e7f8e",
        "ledger_index_run": "42f72fd32b6cfd66b52281be85222ed5fe831cce2ff4200e8866e5521ed52c74",
        "ledger_index_subject": "b279308f76709dc712613cb83a45b0d6dbbe214bf66808b90704815d754134a7",
        "ledger_index_time": "63f72283c1dbc600251e2e4fcf4b4d8e8e7101dfe64f8470196d4fc7d63b53d4",
        "ledger_index_what": "8d45f47a4374fc6d522a039dc6c438d1c08669fe1aa2a869d696111939d3251d",
        "ledger_index_who": "acd069ec99cd351d8d10f5ea4a0bd13667f0b84d94d2e718a52b23bbd5274ea3",
    },
    "access_key": {
        "access_key": "0fe12a7192ba5e542ebff96d884fa228bea4e378f4831e96a19dec24c3b10e30",
        "access_key_new_only": "0eb62e8d7c1bff7c33de6a25d76003aac4cd427cad76fece2815c88a5639f925",
        "access_key_no_delete": "6f98404e01c28dc191bb6b2ae399fb0cb827f9198aa501111030b8570c286831",
        "access_key_revoke_only": "c2885d5ef47eb30759f97d925c0dd9aaeb64eee1579853004774e9fbcc6f69fa",
    },
    "person": {
        "person": "be2075eb4ef0a3040fb7a5143948fa3a09399e1c28029c34f0b78f1df5dc6aca",
        "person_new_only": "c2b6b0c016db449169104eab8eff422b6fe3567bc603e2f2b4545091aa201298",
        "person_no_delete": "1e05c24cc9f093a744cef9542cde131fbfdf6c061c162abdeb4a0f9c6cd8dc68",
        "person_no_update": "ea9f986218fbf1e4407fedc0c816ec4b3417be35312a94672427d1635660f6dd",
    },
    "person_name": {
        "person_name": "0971fb07e7494e2e60c58766b3ee3bce837bfba2916d49309ca6591829c96987",
    },
    "key_person": {
        "key_person": "2b6d11b0cd4f1d454ceca125fd220dc669888de17b2c07fa19e7c3f69c40bf31",
        "key_person_new_only": "1635a4b3b53fc52beca8af7277f9dc71c286e8d97d0825ac5ea6edcc111c8811",
        "key_person_no_delete": "273dc53ede3a1602ac609ba8f584b45486cd3db4c0ac66302e0f9851a49707ec",
        "key_person_no_update": "11a70c3d2b6c02174becb995f471c91a0725fe34d22f36ace3dce73c0a04ce6c",
    },
    "ask": {
        "ask": "dc8fa620629998d4aeb8a6233b113fb11c01999da4d79a047e01f14132f68d9d",
        "ask_approved_first": "8f6c6be92d2d9646c579d34be62662405bce44de25375e955381f7965ed5f0c6",
        "ask_claim_first": "139592ff58bf24f2598a080872e4a94623ce04c7e3181e5807517c5cb6de7cba",
        "ask_created": "c7ad4b8543d6b5b5e3d57471f53d498c678efe3c0db80ef80381745dfedf1120",
        "ask_fixed": "756a6d956f58c165a47fd3618a0c31a9407e4b4c3a52e91c1037cb27664348cf",
        "ask_legal_only": "fdb362101ffdfc84f113ee2220f5ed358cc5cf6e726ef683c7ce3a853cf5d35a",
        "ask_new_only": "077059720519132f4be068870725e6c3f10861af1ac555017b191b7b65067bac",
        "ask_no_delete": "da1753218c838120f8cd231ffc5f2e6485932cd5eb1a3715943e0617e9d5af29",
        "ask_state": "40bfc2f2ac02c6052412aaaea01f6500d240452b60a60f84bfc59824674aa804",
    },
    "approval": {
        "approval": "e6f4d2003aa41c39c5a8f82de134791a5d3f70d95e21987b43ab17be6d49c9d9",
        "approval_ask": "823fec6aa0ce4d7343497d59de8bfea4e44a953f60f37364ef45a76d8b33095b",
        "approval_by_approvers_only": "c79b59075e8752754be5301c22113a1987a61d9eaf7d9887dfa389084fbcb21a",
        "approval_no_delete": "3df786fbb509089685e61504e70fea45bb6a896680fd8113cd4107bb0f98ddbc",
        "approval_no_update": "6d7caf1f98fe765f4262dc79a9649a85fab640b976e196a96a5da6de1ab012b9",
        "approval_of_this_plan_only": "3a2ff6a4eb5e8e470834ebfec3fc38c86cad789a0491e5e1ed51f9c9ac80c1af",
        "approval_once": "817ab58562b4e3a7c968eb7c4ea64d2d766a1d4141f573d098f0f4a17198cef0",
    },
    "execution_claim": {
        "execution_claim": "86d9b35ef003fe4b60b27d1b50ba6e06192e81e2e955470eb3831da88a89e44b",
        "execution_claim_no_delete": "b83db25c9ab2b97cc3abe921f2ae8f0189e1805c0d8718cd1abc5e451b8dcae2",
        "execution_claim_no_update": "3fb60bd69436de764e544a4187561df6601f63bc0b3a45b61129b93e4dd7850b",
        "execution_claim_once": "afb449eb1aca14bd0eabb62a93aec4aae0dc07b571a596920de5f5d5020b67f8",
    },
    "approval_profile": {
        "approval_profile": "dbd3b9e78b6f5442648700201b5be101392788779993c54a6d9625d81ffaf9b4",
        "approval_profile_next_only": "8daa2b675d78039c7d9324a76c9d13c629f06ab59b610f0eca38cbecf35e22a6",
        "approval_profile_no_delete": "482bfe3bfec1db99a597065e159d509795adbb6d726c75ddcc404b3610401948",
        "approval_profile_no_update": "33c3db27d21e123a2c69ae7b3e5f6dd952de034a7dcf71b197f04a0586b2baa0",
    },
    "trash": {
        "trash": "f99c720c04b395fb29e45eb6e40b0db63d7fb624ddcbac0213ecb4f141774cf1",
        "trash_new_only": "f133f32d9ff383441ce605882c00fb5d45d131453edbe61c1dc26acafd9543d6",
        "trash_no_delete": "f968fa05fca89a4f0630bfed0c83f06d11127271bf55c8b8590a152256e32d9b",
        "trash_state": "cee400b93264915ecb62b4acfb3f20f20d711588db6d1b595ab1a1bff11bb26d",
    },
    "guardrails_version": {
        "guardrails_version": "94b26452b4bb4a2dde7bd3561ef9ed63a441410cf46d8c210028f4418f85d934",
        "guardrails_version_next_only": "ac9b14782a34285319d67384fb9f97a18eeb0bd217e70d218e767ed4c6a0ef4f",
        "guardrails_version_no_delete": "248e653e52f2ffba91f7f673f5f9cfe8e3576fda3bd8972cb71e017b68dd80b6",
        "guardrails_version_no_update": "1c8dd2612fcbc27b5075f9fe38f8457e24655611deeaf00ce246e4ee17be9401",
    },
    "guardrails_activation": {
        "guardrails_activation": "db6f3847fe3368a4430a7cd7ddf127aa14dc0ef17c05e6129584a47ad9537d66",
        "guardrails_activation_next_only": "03c08e0b028260c47bafa56cfeb65876883a62fb38ed6d0e041af6e93ab9e310",
        "guardrails_activation_no_delete": "f8e4b1e4c93e9c0d531dd0f641c1c2fe6c28d7be5e6524f2d51271cc6b87656f",
        "guardrails_activation_no_update": "c90025a11f00b1bc9d1a8aa2addff85af728c003c9a9bd5116555ec3e9117fc7",
    },
    "guardrails_definition": {
        "guardrails_definition": "60e788cfb808fc3e169798049133c8532450946b1f291cbbcf794936881eb644",
        "guardrails_definition_binding": "059900afc839484802ea60f2dbf9d9cd7bc347b5ea08ee686ffa9c3cc93b4c22",
        "guardrails_definition_new_only": "d7195b18b271566753ef0e927bb54aa6fbfd28e3c96e5573c074fb2c2a92466b",
        "guardrails_definition_no_delete": "1a7d1a4fd9f151bf57ccdb1dc77d5987deb9f248a4275bfaf98c5572916bcc8d",
        "guardrails_definition_no_update": "9305bbd0fe9bfa9d4d1e1a2e2ce866753b5a27b889d8fb1687c7821472afe930",
    },
    "guardrails_binding": {
        "guardrails_binding": "273e56bebebcde9616454dcdd8fcc5d13a0469a87974e3480a2bc1ed183a5d12",
        "guardrails_binding_next_only": "2bacbc67dcc012a73839408d66d5e4455f19bbe9c250d000a6527f1d096027f9",
        "guardrails_binding_no_delete": "6ae31aeb6ae758429c50c0f43d244b40259e3aa9a08538ebbe21071547a0907f",
        "guardrails_binding_no_update": "7f4dfa08a3d8b7af7127410091847c09354ac8eb54e06e5db74cfc22160196d3",
        "guardrails_binding_task": "c37ffb071a1a756f2e237c836a89533bfdcf1649ededcc579a61a486b0f489a1",
    },
    "guardrails_decision": {
        "guardrails_decision": "be19afa56c6f434cdf2c02dc0a4d7ccdd86acca623bf98211a21e82756573698",
        "guardrails_decision_digest": "d0e0cfbec0ffc78f790a25dfdad4d946baa50a7b934eff21d635ab60a8dd95fc",
        "guardrails_decision_next_only": "4bd34894c00ffc74e240c31bc58a19bdccad886dcacbab0b1a8847428289c344",
        "guardrails_decision_no_delete": "dcab68876cc5a4f566e495b298b0471329840ce895124923b195bffdc7218bae",
        "guardrails_decision_no_update": "f821c7418d2ceceaa0807061a5b98624d26b39053b9d75609182df2cedb00b6d",
        "guardrails_decision_point": "15d5414bc851ddce95c9b2c07cbf620c93e3143f24761718003fc5fd7f05d8f1",
    },
}


def differences(table: str, found: Mapping[str, str]) -> list[str]:
    """Return a sentence for each object of `table` (name to SQL) that is not as migrations made it.

    Missing ones come first, then the altered and the added; empty is good.
    """
    expected = EXPECTED[table]
    digests = {name: hashlib.sha256(sql.encode()).hexdigest() for name, sql in found.items()}
    missing = [f"{name} is missing" for name in sorted(expected.keys() - digests.keys())]
    added = [f"{name} was added" for name in sorted(digests.keys() - expected.keys())]
    altered = [
        f"{name} was altered"
        for name in sorted(expected.keys() & digests.keys())
        if digests[name] != expected[name]
    ]
    return missing + altered + added
