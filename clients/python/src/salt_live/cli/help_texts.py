"""What ``--help`` prints: one screen for each verb, in 80 columns."""

from __future__ import annotations

VERBS = {
    "cmd": """\
usage: salt-live [options] TARGET FUNCTION [ARGUMENT|NAME=VALUE ...]

Run a function on minions. Returns are printed as they come.

  -C, -E, -G, -I, -L, -N, -R, -S   the target is compound, a regular expression,
                a grain, pillar, a list, a nodegroup, a range, an address
  -o, --out FORM       nested, json, yaml, txt, highstate, quiet, raw, pprint
  -s, --static         print all returns together at the end
  -t, --timeout N      after N seconds, stop waiting for silent minions
      --async          start the job, print its id, and end
  -b, --batch N|N%     run on N minions at a time
      --subset N       run on N of the minions, chosen at random
      --failhard       with --batch: stop at the first failure
      --state-output M full, terse, mixed or changes; also with _id
  -d, --doc            print the documentation of the function
      --preview-target print the minions that the target matches
      --summary        print a summary of the returns
      --retcode-passthrough   end with the highest exit code of a minion

Ctrl-C detaches: the job continues. `salt-live --help` lists the other verbs.
""",
    "run": """\
usage: salt-live run FUNCTION [ARGUMENT|NAME=VALUE ...]

Run a runner on the master, as `salt-run` does.

  -o, --out FORM       nested, json, yaml, txt, highstate, quiet, raw, pprint
      --async          start it, print its job id, and end
  -t, --timeout N      wait at most N seconds for the return
      --skip-kwargs    pass NAME=VALUE on as text
  -d, --doc            print the documentation of the function
""",
    "wheel": """\
usage: salt-live wheel FUNCTION [ARGUMENT|NAME=VALUE ...]

Run a wheel function on the master: keys, configuration, files.

  -o, --out FORM       nested, json, yaml, txt, quiet, raw, pprint
      --async          start it, print its job id, and end
  -t, --timeout N      wait at most N seconds for the return
  -d, --doc            print the documentation of the function
""",
    "key": """\
usage: salt-live key [list [STATE]|accept ID|reject ID|delete ID|finger [ID]]

List, accept and reject the keys of minions, as `salt-key` does. ID may be a
pattern such as 'web-*'. Fingerprints are shown before you are asked.

  -L, --list-all       list all keys (the default)
  -l, --list STATE     accepted, pending, rejected, denied or all
  -a, -r, -d ID        accept, reject or delete keys
  -A, -R, -D           the same with all keys
  -f ID, -F            print fingerprints; --print ID, -P: the keys
  -y, --yes            do not ask
      --include-all, --include-accepted, --include-rejected, --include-denied
                       also change keys in these states
  -o, --out FORM       nested, json, yaml, txt, quiet
""",
    "events": """\
usage: salt-live events [TAG] [count=N] [quiet=True] [pretty=True]

Follow the events of the master's bus that you may see. TAG is the start of a
tag, or a pattern with * such as 'salt/job/*/ret/*'.

      --count N        end after N events
      --match-type T   startswith, endswith, find, fnmatch or regex
      --since EPOCH:N  replay the events after this position first
      --master ID      only events of this master, if several share them
      --json           one JSON object a line, with epoch and seq
      --pretty         indent the data

A lost connection is resumed. Missing events are reported on stderr.
""",
    "jobs": """\
usage: salt-live jobs [-w]

List jobs, the newest first.

  -w, --watch          stay, and print jobs as they start and end
  -n, --limit N        at most N jobs (default 20)
      --fun PATTERN    only jobs of this function
      --user NAME      only jobs of this user
      --state STATE    running, complete, failed, partial, canceled
      --kind KIND      job, runner or wheel
      --master ID      only jobs of this master, if several share them
      --since JID, --before JID
""",
    "job": """\
usage: salt-live job JID [-w]
       salt-live job kill JID
       salt-live job term JID

Print a job and its returns. `kill` and `term` stop it on its minions.

  -w, --watch          wait for the returns that are missing; print as they come
  -t, --timeout N      after N seconds, stop waiting for silent minions
  -o, --out FORM       nested, json, yaml, txt, highstate, quiet
      --retcode-passthrough   end with the highest exit code of a minion
""",
    "batch": """\
usage: salt-live batch [-b N] TARGET FUNCTION [ARGUMENT|NAME=VALUE ...]
       salt-live batch list [--master ID]
       salt-live batch ID [-w]
       salt-live batch pause|resume|cancel ID

Run a function on many minions, N at a time. The batch continues on the master
when you leave.

  -b, --batch N|N%     how many minions at a time (default: all)
      --failhard       stop at the first failure
      --name NAME      a name, for lists
  -t, --timeout N      end the batch after N seconds
      --async          start it, print its id, and end
      --master ID      for `list`: only batches of this master
  -C, -E, -G, -I, -L, -N, -R, -S   the type of the target
""",
    "minions": """\
usage: salt-live minions [TARGET]

List minions with the state of their keys and whether they are connected.

      --up, --down     only those that are connected, or not
      --master ID      only those of this master, if several share them
      --grains         also their grains
  -C, -E, -G, -I, -L, -N, -R, -S   the type of the target
  -o, --out FORM       json or yaml for programs
""",
    "login": """\
usage: salt-live login [-u URL] [-a EAUTH] [--username NAME]

Log in and keep the token for later commands, in the keyring or in a file that
only you can read. An ended token is renewed, or you are asked again.
""",
    "logout": """\
usage: salt-live logout

Revoke the kept token on the master and forget it.
""",
    "whoami": """\
usage: salt-live whoami

Print your user, the end of your token, and your permissions.
""",
    "completion": """\
usage: salt-live completion bash|zsh|fish

Print the completion script of a shell. To install it:

    salt-live completion bash >> ~/.bashrc
    salt-live completion zsh >> ~/.zshrc        after compinit
    salt-live completion fish > ~/.config/fish/completions/salt-live.fish

It completes verbs, options, and from the server minion ids and functions, which
are kept for 10 minutes. It never asks for a password: log in first.
""",
}

MAIN = """\
usage: salt-live [options] TARGET FUNCTION [ARGUMENT|NAME=VALUE ...]
       salt-live VERB ...

Run a function on minions, or one of the verbs:

  run, wheel      run a runner or a wheel function on the master
  key             list, accept and reject keys
  job, jobs       read, follow and stop jobs
  batch           run on many minions, some at a time
  events          follow the event bus
  minions         list minions
  login, logout, whoami, completion

  -u, --url URL        the server, such as wss://salt.example.com:8000
  -a, --auth EAUTH     how to log in: pam, ldap ...
      --username NAME, --password PASSWORD
  -T, --make-token     keep the token for later commands
  -p, --profile NAME   the profile in config.toml or ~/.pepperrc
      --ca FILE        trust the certificates in this file
      --insecure       do not check the server's certificate

`salt-live VERB --help` explains a verb; `salt-live cmd --help` the options to
run a function on minions.
"""


def of(verb: str | None) -> str:
    """Return the help of a verb, or without a verb that of the command."""
    return VERBS[verb].rstrip() if verb else MAIN.rstrip()
