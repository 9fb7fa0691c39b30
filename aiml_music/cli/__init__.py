"""The command `aiml-music`: words typed at a prompt become one call, lines to read, and an exit code.

It decides nothing about requests or money: that is the client's. It knows where the key comes from (the environment,
and nowhere else), what is printed where (results to standard output, all else to standard error), and what a script
is told by the exit code:

| code | meaning                                                                                   |
|------|-------------------------------------------------------------------------------------------|
| 0    | done; also when Ctrl-C ends the sandbox, whose usual end it is                            |
| 1    | a fault of this program, or the result could not be written                               |
| 2    | the command, a setting or a file cannot be used; nothing was sent                         |
| 3    | the service refused or failed, and took no money                                          |
| 4    | in doubt: the request may have been carried out and charged                               |
| 5    | paid, and unusable or not stored; what came is named                                      |
| 6    | not sent: the service could not be reached                                                |
| 130  | interrupted                                                                               |

With `--json`, standard output holds exactly one JSON document: the result, or `{"error": {...}}`. The lines for people
go to standard error in either case.

`app` is the door; it imports cyclopts and rich, so whoever opens it looks for them first (`aiml_music.__main__`).
"""
