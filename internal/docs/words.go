package docs

// labels are the words of the pages themselves. What an interface does is said
// by its document, in the languages in which that was written.
type labels struct {
	Documents, Skip, Contents, OtherLanguage, Overview, All, Machine string
	Parameters, Request, Response, Example, Signed                   string
	Name, Need, Type, Limits, Meaning, Required, Optional            string
	NoMembers, Interfaces, Callbacks, Also, Default                  string
}

var words = map[string]labels{
	chinese: {
		Documents: "接口文档", Skip: "跳到正文", Contents: "目录", OtherLanguage: "English", Overview: "概览", All: "全部接口（打印）",
		Machine: "OpenAPI 3.1", Parameters: "参数", Request: "请求", Response: "响应", Example: "示例", Signed: "实际发送（演示密钥）",
		Name: "参数名", Need: "必填", Type: "类型", Limits: "限制", Meaning: "说明", Required: "必填", Optional: "选填",
		NoMembers: "无内容", Interfaces: "接口", Callbacks: "回调", Also: "也作", Default: "默认",
	},
	english: {
		Documents: "Interface documents", Skip: "Skip to the text", Contents: "Contents", OtherLanguage: "中文", Overview: "Overview", All: "All interfaces (for print)",
		Machine: "OpenAPI 3.1", Parameters: "Parameters", Request: "Request", Response: "Response", Example: "Example", Signed: "As sent (demo key)",
		Name: "Name", Need: "Required", Type: "Type", Limits: "Limits", Meaning: "Meaning", Required: "required", Optional: "optional",
		NoMembers: "no content", Interfaces: "Interfaces", Callbacks: "Callbacks", Also: "also", Default: "default",
	},
}
