# Runs the Soda Core 4 command line again and again: of each line on standard input, {"dir": …, "args": […]}, it answers with
# exit code and output. Each run is forked, so that modules are loaded once and nothing else is shared.
import json, os, sys, tempfile

from soda_core.cli import cli

for line in sys.stdin:
    run = json.loads(line)
    with tempfile.TemporaryFile("w+") as output:
        child = os.fork()
        if child == 0:
            os.chdir(run["dir"])
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            sys.argv = ["soda"] + run["args"]
            code = 0
            try:
                cli.execute()
            except SystemExit as e:
                code = e.code or 0
            sys.stdout.flush()
            os._exit(int(code))
        _, status = os.waitpid(child, 0)
        output.seek(0)
        print(json.dumps({"exit": os.waitstatus_to_exitcode(status), "output": output.read()}), flush=True)
