# Upgrade masters to this release, one group after the other, and stop at the first that does not serve again:
#
#     salt-run state.orchestrate websocket_api.rollout
#
# Run it on a master that is not in the list. docs/operating.md has the details.
{%- from "websocket_api/map.jinja" import api with context %}
{%- set rollout = api.rollout %}
{%- if rollout.tgt %}
{#-   Read the grains' cache instead of asking minions: a master that is down must stop the run, not be left out. #}
{%-   set masters = salt["saltutil.runner"]("cache.grains", arg=[rollout.tgt], kwarg={"tgt_type": rollout.tgt_type}) %}
{%-   set ids = masters.keys() | sort %}
{%- else %}
{%-   set ids = rollout.masters | list %}
{%- endif %}
{%- set addresses = rollout.masters if rollout.masters is mapping else {} %}
{#- Without this check Jinja would take all masters as one group. #}
{%- set grouped = rollout.group is integer and rollout.group > 0 %}
{%- set last = namespace(step="websocket_api_own_runner") %}

# The runner that checks the masters must be of the release that they get.
websocket_api_own_runner:
  salt.runner:
    - name: saltutil.sync_runners
    - saltenv: {{ api.saltenv }}

{%- if not ids %}
websocket_api_no_masters:
  test.fail_without_changes:
    - name: "the pillar websocket_api:rollout names no masters: set masters or tgt"
{%- endif %}

{%- if not grouped %}
websocket_api_no_groups:
  test.fail_without_changes:
    - name: "the pillar websocket_api:rollout:group must be a whole number above 0"
{%- endif %}

{%- for group in ids | batch(rollout.group) if grouped %}
websocket_api_group_{{ loop.index }}:
  salt.state:
    - tgt: {{ group | json }}
    - tgt_type: list
    - sls:
        - websocket_api
    - saltenv: {{ api.saltenv }}
    - expect_minions: true
    - timeout: {{ rollout.seconds }}
    - require:
        - salt: {{ last.step }}
{%-   set last.step = "websocket_api_group_" ~ loop.index %}
{%-   for id in group %}

websocket_api_serves_{{ id }}:
  salt.runner:
    - name: websocket_api.serves
    - url: {{ (addresses.get(id) or rollout.url.replace("{id}", id)) | json }}
    - verify: {{ rollout.verify | json }}
    - seconds: {{ rollout.seconds }}
    - username: {{ rollout.username | json }}
    - password_file: {{ rollout.password_file | json }}
    - eauth: {{ rollout.eauth }}
    - require:
        - salt: {{ last.step }}
{%-     set last.step = "websocket_api_serves_" ~ id %}
{%-   endfor %}
{%- endfor %}
