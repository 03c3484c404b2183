"""Says what template.yaml becomes, for each set of parameters in a JSON object on stdin.

    echo '{"least": {"App": "shop", ...}}' | python3 transform.py template.yaml

The answer is JSON: for each set, the rules that refuse it ("refused") and the resources and
outputs CloudFormation would be asked for. SAM's own translator makes the resources; what
CloudFormation does next (parameters, rules, conditions, Fn::If) is done here, and the rest
(Fn::Sub, Fn::GetAtt, references to resources) is left as it is.
"""

import json
import os
import sys

from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse

# The translator wants to know a region; the developer's own settings are not to leak in.
os.environ["AWS_DEFAULT_REGION"] = "us-east-1"
os.environ.pop("AWS_PROFILE", None)

NO_VALUE = object()


class NoManagedPolicies:
    """The template names its policies by ARN, so IAM need not be asked for them."""

    def load(self):
        return {}


def resolve(value, parameters, conditions):
    """The value with parameters put in and conditions decided."""

    def again(inner):
        return resolve(inner, parameters, conditions)

    if isinstance(value, list):
        return [v for v in map(again, value) if v is not NO_VALUE]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        (key, arg), = value.items()
        if key == "Ref" and arg == "AWS::NoValue":
            return NO_VALUE
        if key == "Ref" and arg in parameters:
            return parameters[arg]
        if key == "Condition" and isinstance(arg, str):
            return again(conditions[arg])
        if key == "Fn::If":
            return again(arg[1] if again(conditions[arg[0]]) else arg[2])
        if key == "Fn::Equals":
            left, right = again(arg)
            return str(left) == str(right)
        if key == "Fn::Not":
            return not again(arg[0])
        if key == "Fn::And":
            return all(again(arg))
        if key == "Fn::Or":
            return any(again(arg))
        if key == "Fn::Split":
            return again(arg[1]).split(arg[0])
    resolved = {k: again(v) for k, v in value.items()}
    return {k: v for k, v in resolved.items() if v is not NO_VALUE}


def become(source, overrides):
    template = yaml_parse(source)
    # What `sam package` does: the code is in a bucket by the time the template is transformed.
    template["Globals"]["Function"]["CodeUri"] = "s3://bucket/code.zip"

    parameters = {k: p.get("Default") for k, p in template["Parameters"].items()}
    unknown = overrides.keys() - parameters.keys()
    missing = {k for k, v in parameters.items() if v is None} - overrides.keys()
    if unknown or missing:
        raise SystemExit(f"unknown parameters {sorted(unknown)}, missing {sorted(missing)}")
    parameters.update(overrides)

    made = transform(template, dict(parameters), NoManagedPolicies())
    conditions = made.get("Conditions", {})

    def decide(value):
        return resolve(value, parameters, conditions)

    refused = [
        assertion["AssertDescription"]
        for rule in made.get("Rules", {}).values()
        if decide(rule["RuleCondition"])
        for assertion in rule["Assertions"]
        if not decide(assertion["Assert"])
    ]

    def wanted(section):
        return {
            name: decide({k: v for k, v in item.items() if k != "Condition"})
            for name, item in made.get(section, {}).items()
            if "Condition" not in item or decide({"Condition": item["Condition"]})
        }

    return {"refused": refused, "resources": wanted("Resources"), "outputs": wanted("Outputs")}


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        text = file.read()
    sets = json.load(sys.stdin)
    json.dump({name: become(text, values) for name, values in sets.items()}, sys.stdout)
