"""Part of Linear's schema that a ticket sink needs, written for the demo, which has no copy of the real one.

Tests build the fake over Linear's published schema instead, and so verify that this one is a part of it.
"""

SCHEMA = """
scalar DateTime
scalar JSONObject

type User {
  id: ID! name: String! displayName: String! email: String! active: Boolean! app: Boolean! isAssignable: Boolean!
}
type Organization { id: ID! name: String! urlKey: String! }
type WorkflowState { id: ID! name: String! type: String! position: Float! }
type WorkflowStateConnection { nodes: [WorkflowState!]! }
type IssueLabel { id: ID! name: String! team: Team }
type IssueLabelConnection { nodes: [IssueLabel!]! pageInfo: PageInfo! }
type PageInfo { hasNextPage: Boolean! endCursor: String }
type Team {
  id: ID! key: String! name: String! triageEnabled: Boolean!
  defaultIssueState: WorkflowState triageIssueState: WorkflowState
  states(first: Int, after: String): WorkflowStateConnection! labels(first: Int, after: String): IssueLabelConnection!
}
type TeamConnection { nodes: [Team!]! pageInfo: PageInfo! }
type UserConnection { nodes: [User!]! pageInfo: PageInfo! }
type Comment { id: ID! body: String! createdAt: DateTime! }
type CommentConnection { nodes: [Comment!]! }
type Attachment { id: ID! title: String! subtitle: String url: String! }
type AttachmentConnection { nodes: [Attachment!]! }
type Issue {
  id: ID! identifier: String! number: Float! url: String! title: String! description: String
  priority: Float! trashed: Boolean
  createdAt: DateTime! archivedAt: DateTime state: WorkflowState! team: Team! assignee: User
  labels(first: Int): IssueLabelConnection! comments(first: Int): CommentConnection!
  attachments(first: Int): AttachmentConnection!
}
type IssueConnection { nodes: [Issue!]! pageInfo: PageInfo! }
type IssuePayload { success: Boolean! lastSyncId: Float! issue: Issue }
type CommentPayload { success: Boolean! lastSyncId: Float! comment: Comment! }
type AttachmentPayload { success: Boolean! lastSyncId: Float! attachment: Attachment! }
type IssueLabelPayload { success: Boolean! lastSyncId: Float! issueLabel: IssueLabel! }

input StringComparator { eq: String eqIgnoreCase: String }
input BooleanComparator { eq: Boolean }
input IssueIDComparator { in: [ID!] eq: ID }
input UserFilter { email: StringComparator active: BooleanComparator }
input IssueLabelFilter { name: StringComparator }
input IssueFilter { id: IssueIDComparator }
input IssueCreateInput {
  id: String teamId: String! title: String description: String priority: Int
  assigneeId: String labelIds: [String!] stateId: String
}
input IssueUpdateInput {
  title: String description: String priority: Int assigneeId: String stateId: String trashed: Boolean
}
input CommentCreateInput { id: String issueId: String body: String }
input AttachmentCreateInput {
  id: String issueId: String! url: String! title: String! subtitle: String metadata: JSONObject
}
input IssueLabelCreateInput { id: String name: String! color: String teamId: String }

type Query {
  viewer: User!
  organization: Organization!
  teams(first: Int, after: String): TeamConnection!
  team(id: String!): Team!
  users(first: Int, filter: UserFilter): UserConnection!
  issue(id: String!): Issue!
  issues(first: Int, includeArchived: Boolean, filter: IssueFilter): IssueConnection!
  issueLabels(first: Int, filter: IssueLabelFilter): IssueLabelConnection!
  workflowStates(first: Int): WorkflowStateConnection!
}

type Mutation {
  issueCreate(input: IssueCreateInput!): IssuePayload!
  issueUpdate(id: String!, input: IssueUpdateInput!): IssuePayload!
  issueSubscribe(id: String!, userEmail: String): IssuePayload!
  commentCreate(input: CommentCreateInput!): CommentPayload!
  attachmentCreate(input: AttachmentCreateInput!): AttachmentPayload!
  issueLabelCreate(input: IssueLabelCreateInput!): IssueLabelPayload!
}
"""
