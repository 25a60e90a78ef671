"""GraphQL queries and mutations for Linear. A test validates each against Linear's own published schema."""

CHECK = """
query Check {
  viewer { id name email app }
  organization { id name urlKey }
  teams(first: 100) { nodes { id key name } }
}
"""

CHOICES = """
query Choices {
  workflowStates(first: 100) { nodes { name type } }
  issueLabels(first: 100) { nodes { name } }
}
"""

TEAM = """
query Team($id: String!) {
  team(id: $id) {
    id key name
    states(first: 50) { nodes { id name type position } }
    labels(first: 100) { nodes { id name } }
  }
}
"""

LABELS = """
query Labels($name: String!) {
  issueLabels(first: 10, filter: { name: { eqIgnoreCase: $name } }) { nodes { id name team { id } } }
}
"""

LABEL_CREATE = """
mutation LabelCreate($input: IssueLabelCreateInput!) {
  issueLabelCreate(input: $input) { success issueLabel { id name } }
}
"""

USER = """
query User($email: String!) {
  users(first: 2, filter: { email: { eqIgnoreCase: $email }, active: { eq: true } }) {
    nodes { id email active isAssignable }
  }
}
"""

ISSUE = """
query Issue($id: String!) {
  issue(id: $id) { id identifier url priority trashed state { id name type } team { id key } }
}
"""

ISSUE_CREATE = """
mutation IssueCreate($input: IssueCreateInput!) {
  issueCreate(input: $input) { success issue { id identifier url priority trashed state { id name type } team { id } } }
}
"""

ISSUE_UPDATE = """
mutation IssueUpdate($id: String!, $input: IssueUpdateInput!) {
  issueUpdate(id: $id, input: $input) { success issue { id priority state { id type } } }
}
"""

COMMENT_CREATE = """
mutation CommentCreate($input: CommentCreateInput!) {
  commentCreate(input: $input) { success comment { id } }
}
"""

ATTACH = """
mutation Attach($input: AttachmentCreateInput!) {
  attachmentCreate(input: $input) { success attachment { id url } }
}
"""

SUBSCRIBE = """
mutation Subscribe($id: String!, $email: String!) {
  issueSubscribe(id: $id, userEmail: $email) { success }
}
"""

STANDINGS = """
query Standings($ids: [ID!]!) {
  issues(first: 50, includeArchived: true, filter: { id: { in: $ids } }) { nodes { id trashed state { type } } }
}
"""

ALL = {name: text for name, text in globals().items() if name.isupper() and isinstance(text, str)}
