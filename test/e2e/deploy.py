"""Deploys template.yaml to an emulator as `sam deploy` does to AWS: SAM's own transformation, then CloudFormation.

usage: deploy.py ENDPOINT STACK TEMPLATE ZIPS [@ENV] PARAMETER=VALUE…

@ENV stands for the parameters of an environment of samconfig.toml, beside the template. Prints JSON: the stack's outputs, the
physical ids of its resources, the transformed template as AWS would get it, and the ARN of the signing secret.

Where MiniStack is weaker than AWS, the transformed template is changed before it is deployed, each time with the reason.
"""
import copy
import json
import os
import pathlib
import sys
import time
import tomllib

import boto3
from samcli.yamlhelper import yaml_parse
from samtranslator.public.translator import ManagedPolicyLoader
from samtranslator.translator.transform import transform

REGION = "eu-west-1"
os.environ["AWS_DEFAULT_REGION"] = REGION


def client(service, endpoint):
    return boto3.client(service, endpoint_url=endpoint, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")


def transformed(template, zips, s3, parameters):
    """Uploads the functions' zips, as `sam package` does, and lets SAM write the CloudFormation template."""
    template = copy.deepcopy(template)
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            name = resource["Properties"]["CodeUri"].strip("/").split("/")[-1]
            s3.upload_file(f"{zips}/{name}.zip", "code", f"{name}.zip")
            resource["Properties"]["CodeUri"] = {"Bucket": "code", "Key": f"{name}.zip"}
    return transform(template, parameters, ManagedPolicyLoader(None))


def bridged(cfn, signing_secret):
    """Changes what MiniStack cannot do."""
    cfn = copy.deepcopy(cfn)
    resources = cfn["Resources"]
    # It hands the parameter's text through where CloudFormation makes a boolean of it.
    resources["Table"]["Properties"]["DeletionProtectionEnabled"] = True
    # It knows no metric math in alarms.
    body = resources["Dashboard"]["Properties"]["DashboardBody"]
    for name in ("FunctionThrottlesAlarm", "TableThrottlesAlarm"):
        del resources[name]
        body["Fn::Sub"] = body["Fn::Sub"].replace(name, "DigestLagAlarm")
    for name, resource in resources.items():
        if resource["Type"] == "AWS::Lambda::Function":
            # It runs functions as processes of this machine.
            resource["Properties"]["Architectures"] = ["x86_64"]
            variables = resource["Properties"]["Environment"]["Variables"]
            # It does not check policies, so each function says its name with each call, for the test to check them.
            variables["AWS_SDK_UA_APP_ID"] = name
            # Its Ref of a secret is the secret's name; on AWS it is the ARN.
            if "SODALITE_SIGNING_SECRET_ARN" in variables:
                variables["SODALITE_SIGNING_SECRET_ARN"] = signing_secret
    return cfn


def deploy(endpoint, stack, template, zips, parameters):
    secret = client("secretsmanager", endpoint).create_secret(Name=f"signing-{stack}", SecretString="s" * 64)["ARN"]
    s3 = client("s3", endpoint)
    if not s3.list_buckets()["Buckets"]:
        s3.create_bucket(Bucket="code", CreateBucketConfiguration={"LocationConstraint": REGION})
    cfn = transformed(yaml_parse(open(template).read()), zips, s3, parameters)
    cloudformation = client("cloudformation", endpoint)
    # As SAM does: the text is too long to be sent along.
    s3.put_object(Bucket="code", Key=f"{stack}.json", Body=json.dumps(bridged(cfn, secret), default=str))
    cloudformation.create_stack(
        StackName=stack, TemplateURL=f"{endpoint}/code/{stack}.json", Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()])
    for _ in range(240):
        made = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
        if not made["StackStatus"].endswith("IN_PROGRESS"):
            break
        time.sleep(0.25)
    if made["StackStatus"] != "CREATE_COMPLETE":
        events = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
        sys.exit("\n".join(f"{e['LogicalResourceId']}: {e.get('ResourceStatusReason')}" for e in events if "FAILED" in e["ResourceStatus"]))
    resources = {r["LogicalResourceId"]: r["PhysicalResourceId"] for r in cloudformation.describe_stack_resources(StackName=stack)["StackResources"]}
    return {"resources": resources, "outputs": {o["OutputKey"]: o["OutputValue"] for o in made["Outputs"]}, "template": cfn, "signingSecret": secret}


def values(template, arguments):
    """The parameters that arguments give, later ones over earlier ones."""
    environments = tomllib.loads(pathlib.Path(template).with_name("samconfig.toml").read_text())
    out = {}
    for argument in arguments:
        given = environments[argument[1:]]["deploy"]["parameters"]["parameter_overrides"] if argument.startswith("@") else [argument]
        out.update(p.split("=", 1) for p in given)
    return out


if __name__ == "__main__":
    endpoint, stack, template, zips, *arguments = sys.argv[1:]
    print(json.dumps(deploy(endpoint, stack, template, zips, values(template, arguments)), default=str))
